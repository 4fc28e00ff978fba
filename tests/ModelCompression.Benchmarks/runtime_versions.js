// node runtime_versions.js ONNXRUNTIME_NODE MODEL NAME:TYPE:DIMS...
// Opens a model in the ONNX Runtime of one version of the npm package onnxruntime-node, runs it on the same numbers every time and prints the first outputs, or what the runtime says.
// Example: node runtime_versions.js node_modules/onnxruntime-node out.onnx image:float32:1,1,28,28
const [folder, model, ...inputs] = process.argv.slice(2);
const ort = require(require('path').resolve(folder));
let state = 12345;
const next = () => ((state = (Math.imul(state, 1103515245) + 12345) >>> 0) >>> 8) / 16777216;
const feeds = {};
for (const input of inputs) {
  const cut = input.lastIndexOf(':'), dims = input.slice(cut + 1).split(',').map(Number), name = input.slice(0, input.lastIndexOf(':', cut - 1)), count = dims.reduce((a, b) => a * b, 1);
  const isWhole = input.slice(0, cut).endsWith(':int64');
  feeds[name] = isWhole ? new ort.Tensor('int64', BigInt64Array.from({ length: count }, () => BigInt(Math.floor(next() * 1000))), dims) : new ort.Tensor('float32', Float32Array.from({ length: count }, next), dims);
}

(async () => {
  const session = await ort.InferenceSession.create(model, { logSeverityLevel: 4, intraOpNumThreads: 1 });
  const results = await session.run(feeds);
  for (const name of session.outputNames) console.log(name, results[name].dims.join('x'), Array.from(results[name].data.slice(0, 6)).map(x => Number(x).toPrecision(6)).join(' '));
  process.exit(0);
})().catch(e => { console.log(String(e.message || e)); process.exit(1); });
