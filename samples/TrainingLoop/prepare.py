#!/usr/bin/env python3
"""Writes what the training loop starts from: untrained.onnx (a network with random weights) and train.npz, test.npz, calib.npz
(Fashion-MNIST, values 0..1): the article's network with pictures padded to 32x32, or a residual network with pictures as they are.

Needs ONNX and NumPy (Debian: python3-onnx python3-numpy) and the data set (Debian: dataset-fashion-mnist).
usage: prepare.py [--data DIR] [--out DIR] [--net article|residual]
"""
import argparse
import gzip
import os
import sys

try:
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper
except ModuleNotFoundError as error:
    sys.exit(f"prepare.py needs {error.name}: install ONNX and NumPy (Debian: python3-onnx python3-numpy; elsewhere: pip install onnx numpy).")


FILES = [f"{part}-{kind}-ubyte.gz" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]


def images(path, border):
    with gzip.open(path) as file:
        pixels = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 1, 28, 28)
    return np.pad(pixels, ((0, 0), (0, 0), (border, border), (border, border))).astype(np.float32) / np.float32(255)


def labels(path):
    with gzip.open(path) as file:
        return np.frombuffer(file.read(), np.uint8, offset=8).astype(np.int64)


def network():
    """conv 1->32, ReLU, conv 32->64, ReLU, average pool 4, fc 4096->128, ReLU, fc 128->10; weights uniform in +-sqrt(6 / fan in) (He 2015)."""
    random = np.random.default_rng(1)
    weights = []

    def parameters(name, *shape):
        limit = np.sqrt(6 / np.prod(shape[1:]))
        weights.append(numpy_helper.from_array(random.uniform(-limit, limit, shape).astype(np.float32), name + ".weight"))
        weights.append(numpy_helper.from_array(np.zeros(shape[0], np.float32), name + ".bias"))
        return [name + ".weight", name + ".bias"]

    def node(op, inputs, output, **attributes):
        return helper.make_node(op, inputs, [output], name=output, **attributes)

    nodes = [
        node("Conv", ["image", *parameters("conv1", 32, 1, 3, 3)], "conv1", pads=[1, 1, 1, 1]), node("Relu", ["conv1"], "relu1"),
        node("Conv", ["relu1", *parameters("conv2", 64, 32, 3, 3)], "conv2", pads=[1, 1, 1, 1]), node("Relu", ["conv2"], "relu2"),
        node("AveragePool", ["relu2"], "pool", kernel_shape=[4, 4], strides=[4, 4]), node("Flatten", ["pool"], "flat"),
        node("Gemm", ["flat", *parameters("fc1", 128, 4096)], "fc1", transB=1), node("Relu", ["fc1"], "relu3"),
        node("Gemm", ["relu3", *parameters("fc2", 10, 128)], "scores", transB=1)]
    graph = helper.make_graph(nodes, "article", [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 1, 32, 32])],
                              [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 10])], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def residual():
    """conv 1->32, residual blocks of two 3x3 convolutions with 32, 64 (stride 2) and 128 (stride 2) channels, global average pool, fc 128->10; the second convolution of a block starts small."""
    random = np.random.default_rng(0)
    nodes, weights = [], []

    def parameters(name, scale, *shape):
        weights.append(numpy_helper.from_array((random.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:])) * scale).astype(np.float32), name + ".weight"))
        weights.append(numpy_helper.from_array(np.zeros(shape[0], np.float32), name + ".bias"))
        return [name + ".weight", name + ".bias"]

    def node(op, inputs, output, **attributes):
        nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def conv(x, name, inputs, outputs, kernel=3, stride=1, scale=1.0):
        return node("Conv", [x, *parameters(name, scale, outputs, inputs, kernel, kernel)], name, strides=[stride] * 2, pads=[kernel // 2] * 4)

    x = node("Relu", [conv("image", "stem", 1, 32)], "stem.relu")
    for name, inputs, outputs, stride in (("block1", 32, 32, 1), ("block2", 32, 64, 2), ("block3", 64, 128, 2)):
        first = node("Relu", [conv(x, name + ".a", inputs, outputs, stride=stride)], name + ".a.relu")
        second = conv(first, name + ".b", outputs, outputs, scale=0.25)
        if inputs != outputs:
            x = conv(x, name + ".skip", inputs, outputs, kernel=1, stride=stride, scale=0.7)
        x = node("Relu", [node("Add", [second, x], name)], name + ".relu")
    node("Flatten", [node("GlobalAveragePool", [x], "pool")], "flat")
    node("Gemm", ["flat", *parameters("head", 0.8, 10, 128)], "scores", transB=1)
    graph = helper.make_graph(nodes, "residual", [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 1, 28, 28])],
                              [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 10])], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist")
    parser.add_argument("--out", default=".")
    parser.add_argument("--net", choices=["article", "residual"], default="article")
    options = parser.parse_args()
    border = 2 if options.net == "article" else 0
    missing = [f for f in FILES if not os.path.exists(os.path.join(options.data, f))]
    if missing:
        parser.exit(1, f"{options.data} has no {missing[0]}: install Debian's dataset-fashion-mnist, or name the folder with Fashion-MNIST's four .gz files by --data.\n")
    os.makedirs(options.out, exist_ok=True)
    onnx.save(network() if options.net == "article" else residual(), os.path.join(options.out, "untrained.onnx"))
    for name, prefix in (("train", "train"), ("test", "t10k")):
        np.savez(os.path.join(options.out, name + ".npz"), image=images(f"{options.data}/{prefix}-images-idx3-ubyte.gz", border),
                 labels=labels(f"{options.data}/{prefix}-labels-idx1-ubyte.gz"))
    np.savez(os.path.join(options.out, "calib.npz"), image=images(f"{options.data}/train-images-idx3-ubyte.gz", border)[:300])


if __name__ == "__main__":
    main()
