"""Writes a decoder with random binary16 weights, for the cost of compressing and running such models.

    python3 half_decoder.py OUT.onnx [HIDDEN LAYERS WORDS]

The default, 1024 6 8000, takes 234 MB; 2048 12 1000 takes 1.62 GB. Input: ids, int64 [batch, length].
"""

import sys

try:
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper, save
except ModuleNotFoundError as error:
    sys.exit(f"half_decoder.py needs {error.name}: install ONNX and NumPy (Debian: python3-onnx python3-numpy; elsewhere: pip install onnx numpy).")

HEAD = 64
rng = np.random.default_rng(1)
nodes, constants = [], []


def node(op, inputs, name, **attributes):
    nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
    return name


def constant(name, elements):
    constants.append(numpy_helper.from_array(elements, name))
    return name


def weight(name, *dims, scale=None):
    return constant(name, (rng.standard_normal(dims, dtype=np.float32) * (scale or 1 / np.sqrt(dims[0]))).astype(np.float16))


def normalized(x, name, hidden):
    """Divides by the root mean square, times a gain."""
    gain = constant(name + ".gain", np.ones(hidden, np.float16))
    mean = node("ReduceMean", [node("Mul", [x, x], name + ".squares")], name + ".mean", axes=[-1])
    root = node("Sqrt", [node("Add", [mean, "epsilon"], name + ".shifted")], name + ".root")
    return node("Mul", [node("Div", [x, root], name + ".divided"), gain], name)


def attention(x, name, hidden):
    heads = {}
    for part, order in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3])):
        product = node("MatMul", [x, weight(f"{name}.{part}.w", hidden, hidden)], f"{name}.{part}")
        heads[part] = node("Transpose", [node("Reshape", [product, "by head"], f"{name}.{part}.heads")], f"{name}.{part}.turned", perm=order)
    scores = node("Mul", [node("MatMul", [heads["q"], heads["k"]], name + ".scores"), "scale"], name + ".scaled")
    mixed = node("MatMul", [node("Softmax", [scores], name + ".weights", axis=-1), heads["v"]], name + ".mixed")
    joined = node("Reshape", [node("Transpose", [mixed], name + ".back", perm=[0, 2, 1, 3]), "joined"], name + ".joined")
    return node("MatMul", [joined, weight(name + ".o.w", hidden, hidden)], name + ".o")


def feed_forward(x, name, hidden):
    up = node("MatMul", [x, weight(name + ".up.w", hidden, 4 * hidden)], name + ".up")
    gate = node("MatMul", [x, weight(name + ".gate.w", hidden, 4 * hidden)], name + ".gate")
    swish = node("Mul", [gate, node("Sigmoid", [gate], name + ".sigmoid")], name + ".swish")
    return node("MatMul", [node("Mul", [up, swish], name + ".inner"), weight(name + ".down.w", 4 * hidden, hidden)], name + ".down")


def main(path, hidden=1024, layers=6, words=8000):
    constant("by head", np.array([0, 0, hidden // HEAD, HEAD], np.int64))
    constant("joined", np.array([0, 0, hidden], np.int64))
    constant("scale", np.array(HEAD**-0.5, np.float16))
    constant("epsilon", np.array(1e-5, np.float16))
    x = node("Gather", [weight("table", words, hidden, scale=1.0), "ids"], "embedded")
    for layer in range(layers):
        name = f"layer{layer}"
        x = node("Add", [x, attention(normalized(x, name + ".norm1", hidden), name, hidden)], name + ".attended")
        x = node("Add", [x, feed_forward(normalized(x, name + ".norm2", hidden), name, hidden)], name + ".out")
    node("MatMul", [normalized(x, "norm", hidden), weight("head.w", hidden, words)], "logits")
    ids = helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", "length"])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT16, ["batch", "length", words])
    model = helper.make_model(helper.make_graph(nodes, "decoder", [ids], [logits], constants), opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    save(model, path)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 5):
        sys.exit(__doc__)
    main(sys.argv[1], *map(int, sys.argv[2:]))
