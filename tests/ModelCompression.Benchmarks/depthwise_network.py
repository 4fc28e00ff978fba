#!/usr/bin/env python3
"""Trains fm-dw of docs/performance.md, a network of depthwise separable convolutions with ReLU6 (36,000 weights), on Fashion-MNIST's training images.

usage: depthwise_network.py OUT.onnx [FASHION_FOLDER] [EPOCHS]

Needs PyTorch, ONNX and NumPy, and the four .gz files of Fashion-MNIST (Debian: dataset-fashion-mnist). Prints the accuracy on the 10,000 test images. The same seed,
version of PyTorch and kind of processor make the same weights; others make a network of the same kind.
"""
import gzip
import os
import sys

try:
    import numpy as np
    import onnx
    import torch
    from torch import nn
    from torch.nn import functional
except ModuleNotFoundError as error:
    sys.exit(f"depthwise_network.py needs {error.name}: install PyTorch, ONNX and NumPy (Debian: python3-torch python3-onnx python3-numpy; elsewhere: pip install torch onnx numpy).")

SEED = 5
BATCH = 128


def read(folder, part):
    """Pictures as float32 [N, 1, 28, 28] in 0..1, and classes."""
    with gzip.open(os.path.join(folder, part + "-images-idx3-ubyte.gz")) as file:
        pixels = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 1, 28, 28)
    with gzip.open(os.path.join(folder, part + "-labels-idx1-ubyte.gz")) as file:
        classes = np.frombuffer(file.read(), np.uint8, offset=8)
    return torch.from_numpy(pixels.astype(np.float32) / np.float32(255)), torch.from_numpy(classes.astype(np.int64))


def convolution(wide, out, size, stride, groups):
    return [nn.Conv2d(wide, out, size, stride, size // 2, groups=groups, bias=False), nn.BatchNorm2d(out), nn.ReLU6()]


def network():
    """28 x 28 pixels, 16 channels behind the first convolution, five separable ones down to 7 x 7 and 128 channels, mean, dense layer."""
    layers, wide = convolution(1, 16, 3, 1, 1), 16
    for out, stride in ((32, 2), (64, 1), (64, 2), (128, 1), (128, 1)):
        layers += convolution(wide, wide, 3, stride, wide) + convolution(wide, out, 1, 1, 1)
        wide = out
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(wide, 10))


def train(net, pictures, classes, epochs):
    optimizer = torch.optim.Adam(net.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=epochs * -(-len(pictures) // BATCH))
    for epoch in range(epochs):
        net.train()
        order, total = torch.randperm(len(pictures)), 0.0
        for start in range(0, len(order), BATCH):
            part = order[start:start + BATCH]
            loss = functional.cross_entropy(net(pictures[part]), classes[part])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(part)
        print(f"epoch {epoch + 1}: loss {total / len(order):.4f}", flush=True)


def accuracy(net, pictures, classes):
    net.eval()
    with torch.no_grad():
        hits = sum((net(pictures[s:s + 500]).argmax(1) == classes[s:s + 500]).sum().item() for s in range(0, len(pictures), 500))
    return hits / len(pictures)


def main(out, folder="/usr/share/datasets/fashion-mnist", epochs="4"):
    if not os.path.exists(os.path.join(folder, "train-images-idx3-ubyte.gz")):
        sys.exit(f"{folder} has no Fashion-MNIST: install Debian's dataset-fashion-mnist, or name the folder with its four .gz files.")
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    net = network()
    train(net, *read(folder, "train"), int(epochs))
    print(f"accuracy on the test images: {accuracy(net, *read(folder, 't10k')):.4f}; {sum(p.numel() for p in net.parameters())} weights")
    torch.onnx.export(net, torch.zeros(1, 1, 28, 28), out, opset_version=13, input_names=["image"], output_names=["logits"], dynamic_axes={"image": {0: "N"}, "logits": {0: "N"}})
    onnx.checker.check_model(out)


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
