"""Writes two networks with random weights, and random data for them, for the cost of scores by gradients.

    python3 gradient_networks.py FOLDER

transformer.onnx: two encoder layers, 128 wide, four heads, 32 positions. depthwise.onnx: four depthwise separable blocks on 64 by 64 pixels.
"""

import sys
from pathlib import Path

try:
    import numpy as np
    from onnx import TensorProto, checker, helper, numpy_helper, save
except ModuleNotFoundError as error:
    sys.exit(f"gradient_networks.py needs {error.name}: install ONNX and NumPy (Debian: python3-onnx python3-numpy; elsewhere: pip install onnx numpy).")

SAMPLES = 2080
CLASSES = 10
rng = np.random.default_rng(7)


class Net:
    """A chain of nodes."""

    def __init__(self, shape):
        self.nodes, self.weights, self.count = [], [], 0
        self.shape = shape

    def weight(self, *dims, fan_in=1.0):
        return self.constant(rng.standard_normal(dims).astype(np.float32) / np.float32(np.sqrt(fan_in)))

    def constant(self, array):
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def op(self, kind, *inputs, **attributes):
        self.count += 1
        name = f"{kind.lower()}{self.count}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=f"/{name}", **attributes))
        return name

    def linear(self, x, size, out):
        return self.op("Add", self.op("MatMul", x, self.weight(size, out, fan_in=size)), self.weight(out, fan_in=100.0))

    def conv(self, x, channels, out, kernel=1, stride=1, group=1):
        w = self.weight(out, channels // group, kernel, kernel, fan_in=kernel * kernel * channels / group / 2)
        pad = kernel // 2
        return self.op("Conv", x, w, self.weight(out, fan_in=100.0), kernel_shape=[kernel, kernel], strides=[stride, stride], pads=[pad] * 4, group=group)

    def save(self, path, scores):
        self.nodes[-1].output[0] = "scores"
        graph = helper.make_graph(
            self.nodes, path.stem, [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *self.shape])],
            [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", CLASSES])], self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        checker.check_model(model, full_check=True)
        save(model, str(path))
        data = rng.standard_normal((SAMPLES, *self.shape)).astype(np.float32)
        np.savez(path.with_suffix(".npz"), x=data, labels=rng.integers(0, CLASSES, SAMPLES).astype(np.int64))


def transformer(path, positions=32, width=128, heads=4, layers=2):
    net = Net((positions, width))
    x = "x"
    for _ in range(layers):
        parts = [net.op("Reshape", net.linear(x, width, width), net.constant(np.array([0, 0, heads, width // heads]))) for _ in range(3)]
        q, v = (net.op("Transpose", p, perm=[0, 2, 1, 3]) for p in (parts[0], parts[2]))
        k = net.op("Transpose", parts[1], perm=[0, 2, 3, 1])
        scores = net.op("Mul", net.op("MatMul", q, k), net.constant(np.float32((width / heads) ** -0.5)))
        mixed = net.op("Transpose", net.op("MatMul", net.op("Softmax", scores, axis=-1), v), perm=[0, 2, 1, 3])
        joined = net.linear(net.op("Reshape", mixed, net.constant(np.array([0, 0, width]))), width, width)
        x = norm(net, net.op("Add", x, joined), width)
        wide = net.linear(x, width, 4 * width)
        erf = net.op("Erf", net.op("Div", wide, net.constant(np.float32(2**0.5))))
        gelu = net.op("Mul", net.op("Mul", wide, net.op("Add", erf, net.constant(np.float32(1)))), net.constant(np.float32(0.5)))
        x = norm(net, net.op("Add", x, net.linear(gelu, 4 * width, width)), width)
    net.linear(net.op("ReduceMean", x, axes=[1], keepdims=0), width, CLASSES)
    net.save(path, "scores")


def norm(net, x, width):
    return net.op("LayerNormalization", x, net.constant(np.ones(width, np.float32)), net.constant(np.zeros(width, np.float32)), axis=-1)


def depthwise(path):
    net = Net((3, 64, 64))
    x = net.op("Relu", net.conv("x", 3, 16, 3, 2))
    for channels, out, stride in ((16, 32, 1), (32, 64, 2), (64, 64, 1), (64, 128, 2)):
        x = net.op("Relu", net.conv(x, channels, channels, 3, stride, channels))
        x = net.op("Relu", net.conv(x, channels, out))
    net.linear(net.op("Flatten", net.op("GlobalAveragePool", x)), 128, CLASSES)
    net.save(path, "scores")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    transformer(folder / "transformer.onnx")
    depthwise(folder / "depthwise.onnx")
