#!/usr/bin/env python3
"""Writes what the training loop starts from: untrained.onnx (the network with random weights) and train.npz, test.npz
(Fashion-MNIST, pictures padded to 32x32, values 0..1).

Needs ONNX and NumPy (Debian: python3-onnx python3-numpy) and the data set (Debian: dataset-fashion-mnist).
usage: prepare.py [--data DIR] [--out DIR]
"""
import argparse
import gzip
import os

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def images(path):
    with gzip.open(path) as file:
        pixels = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 1, 28, 28)
    return np.pad(pixels, ((0, 0), (0, 0), (2, 2), (2, 2))).astype(np.float32) / np.float32(255)


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


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist")
    parser.add_argument("--out", default=".")
    options = parser.parse_args()
    onnx.save(network(), os.path.join(options.out, "untrained.onnx"))
    for name, prefix in (("train", "train"), ("test", "t10k")):
        np.savez(os.path.join(options.out, name + ".npz"), image=images(f"{options.data}/{prefix}-images-idx3-ubyte.gz"),
                 labels=labels(f"{options.data}/{prefix}-labels-idx1-ubyte.gz"))


if __name__ == "__main__":
    main()
