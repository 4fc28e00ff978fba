#!/usr/bin/env python3
"""Trains the classifier of this sample on Fashion-MNIST's 60,000 training images and writes
../Models/fashion.onnx and ../Data/fashion-test.npz (2,000 of the 10,000 held-out images).

Needs PyTorch, ONNX and NumPy (Debian: python3-torch python3-onnx python3-numpy) and the data set
(Debian: dataset-fashion-mnist). usage: train.py [--data DIR] [--epochs N] [--threads N]
"""
import argparse
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
    sys.exit(f"train.py needs {error.name}: install PyTorch, ONNX and NumPy (Debian: python3-torch python3-onnx python3-numpy; elsewhere: pip install torch onnx numpy).")

HERE = os.path.dirname(os.path.abspath(__file__))
SEED = 20
FILES = [f"{part}-{kind}-ubyte.gz" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]


def images(path):
    """Reads an IDX image file as float32 [N, 1, 32, 32] in 0..1; the 28x28 pictures get a black border of two pixels."""
    with gzip.open(path) as file:
        pixels = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 1, 28, 28)
    return np.pad(pixels, ((0, 0), (0, 0), (2, 2), (2, 2))).astype(np.float32) / np.float32(255)


def labels(path):
    """Reads an IDX label file as int64 [N]."""
    with gzip.open(path) as file:
        return np.frombuffer(file.read(), np.uint8, offset=8).astype(np.int64)


def network():
    """conv 1->32, ReLU, conv 32->64, ReLU, average pool 4, fc 4096->128, ReLU, fc 128->10."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(),
        nn.AvgPool2d(4), nn.Flatten(),
        nn.Linear(64 * 8 * 8, 128), nn.ReLU(),
        nn.Linear(128, 10))


def accuracy(net, x, y):
    net.eval()
    with torch.no_grad():
        hits = sum(int((net(x[i:i + 500]).argmax(1) == y[i:i + 500]).sum()) for i in range(0, len(x), 500))
    return hits / len(x)


def train(net, x, y, epochs):
    """Adam with one-cycle learning rate and mirrored pictures at random."""
    batch = 128
    optimizer = torch.optim.Adam(net.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=epochs * -(-len(x) // batch))
    for epoch in range(epochs):
        net.train()
        total = 0.0
        order = torch.randperm(len(x))
        for i in range(0, len(x), batch):
            part = order[i:i + batch]
            mirrored = torch.where(torch.rand(len(part), 1, 1, 1) < 0.5, x[part].flip(3), x[part])
            loss = functional.cross_entropy(net(mirrored), y[part])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += float(loss.detach()) * len(part)
        print(f"epoch {epoch + 1}: loss {total / len(x):.4f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    missing = [f for f in FILES if not os.path.exists(os.path.join(options.data, f))]
    if missing:
        parser.exit(1, f"{options.data} has no {missing[0]}: install Debian's dataset-fashion-mnist, or name the folder with Fashion-MNIST's four .gz files by --data.\n")
    torch.set_num_threads(options.threads)
    torch.manual_seed(SEED)

    train_x = torch.from_numpy(images(f"{options.data}/train-images-idx3-ubyte.gz"))
    train_y = torch.from_numpy(labels(f"{options.data}/train-labels-idx1-ubyte.gz"))
    test_x = images(f"{options.data}/t10k-images-idx3-ubyte.gz")
    test_y = labels(f"{options.data}/t10k-labels-idx1-ubyte.gz")

    net = network()
    train(net, train_x, train_y, options.epochs)
    print(f"accuracy on 10,000 held-out images: {accuracy(net, torch.from_numpy(test_x), torch.from_numpy(test_y)):.4f}")

    path = os.path.join(HERE, "..", "Models", "fashion.onnx")
    torch.onnx.export(net, torch.zeros(1, 1, 32, 32), path, opset_version=17, input_names=["image"], output_names=["scores"],
                      dynamic_axes={"image": {0: "N"}, "scores": {0: "N"}})
    onnx.checker.check_model(path)
    np.savez_compressed(os.path.join(HERE, "..", "Data", "fashion-test.npz"), image=test_x[:2000], labels=test_y[:2000])


if __name__ == "__main__":
    main()
