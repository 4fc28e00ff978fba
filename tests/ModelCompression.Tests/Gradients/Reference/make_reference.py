#!/usr/bin/env python3
"""Writes reference gradients of small networks, computed by PyTorch's autograd in binary64.

Per network: <name>.onnx (exported) and <name>.npz with the input under its name, 'labels', 'loss' (mean cross-entropy) and
'gradient:<weight>', every k-th element (k odd) so that at most 1024 are kept. Networks whose model lies elsewhere get only the .npz.
Needs PyTorch and ONNX (Debian: python3-torch python3-onnx).
usage: make_reference.py [MODEL.onnx KIND OUT.npz]   KIND: article | mlp | cnn-bn, for a model file of that structure
"""
import os
import sys

try:
    import numpy as np
    import onnx
    import torch
    from onnx import numpy_helper
    from torch import nn
except ModuleNotFoundError as error:
    sys.exit(f"make_reference.py needs {error.name}: install PyTorch, ONNX and NumPy (Debian: python3-torch python3-onnx python3-numpy).")

HERE = os.path.dirname(os.path.abspath(__file__))


class Attention(nn.Module):
    """Embedding by a linear layer, one transformer encoder layer written out, mean over positions, classes."""

    def __init__(self, width=16, heads=4):
        super().__init__()
        self.heads, self.size = heads, width // heads
        self.embed = nn.Linear(6, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.classes = nn.Linear(width, 5)

    def split(self, x):
        return x.reshape(x.shape[0], x.shape[1], self.heads, self.size).transpose(1, 2)

    def forward(self, x):
        x = self.embed(x)
        y = self.norm1(x)
        q, k, v = self.split(self.query(y)), self.split(self.key(y)), self.split(self.value(y))
        weights = torch.softmax(q @ k.transpose(2, 3) / self.size ** 0.5, -1)
        y = (weights @ v).transpose(1, 2).reshape(x.shape)
        x = x + self.out(y)
        x = x + self.down(torch.nn.functional.gelu(self.up(self.norm2(x))))
        return self.classes(x.mean(1))


class Depthwise(nn.Module):
    """Inverted residual with depthwise convolution and squeeze-and-excite, as in MobileNetV3; strided and plain."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.expand, self.bn1 = nn.Conv2d(8, 24, 1, bias=False), nn.BatchNorm2d(24)
        self.depth, self.bn2 = nn.Conv2d(24, 24, 5, padding=2, groups=24, bias=False), nn.BatchNorm2d(24)
        self.squeeze, self.excite = nn.Conv2d(24, 6, 1), nn.Conv2d(6, 24, 1)
        self.project = nn.Conv2d(24, 8, 1)
        self.grouped = nn.Conv2d(8, 12, 3, stride=2, padding=1, groups=2)
        self.classes = nn.Linear(12, 5)

    def forward(self, x):
        x = nn.functional.hardswish(self.stem(x))
        y = nn.functional.hardswish(self.bn1(self.expand(x)))
        y = nn.functional.relu6(self.bn2(self.depth(y)))
        s = nn.functional.hardsigmoid(self.excite(torch.relu(self.squeeze(y.mean((2, 3), keepdim=True)))))
        x = x + self.project(y * s)
        x = nn.functional.max_pool2d(x, 3, 2, 1)
        x = nn.functional.leaky_relu(self.grouped(x), 0.1)
        return torch.log_softmax(self.classes(x.mean((2, 3))), 1)


class BatchNormNet(nn.Module):
    """Convolutions with batch normalization left in, then two linear layers and a softmax."""

    def __init__(self, widths=(8, 8, 16), size=12, hidden=24):
        super().__init__()
        blocks, before = [], 1
        for i, width in enumerate(widths):
            blocks.append(nn.Sequential(nn.Conv2d(before, width, 3, padding=1, stride=1 + i % 2, bias=False), nn.BatchNorm2d(width), nn.ReLU()))
            before = width
        self.f = nn.Sequential(*blocks)
        self.h = nn.Sequential(nn.Flatten(), nn.Linear(before * (size // 2) ** 2, hidden), nn.ReLU(), nn.Linear(hidden, 5), nn.Softmax(1))

    def forward(self, x):
        return self.h(self.f(x))


def article():
    return nn.Sequential(nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.AvgPool2d(4), nn.Flatten(),
                         nn.Linear(4096, 128), nn.ReLU(), nn.Linear(128, 10))


class Named(nn.Module):
    """A sequence under a name, so that parameter names are those in the file."""

    def __init__(self, **parts):
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, x):
        for part in self.children():
            x = part(x)
        return x


def known(kind):
    if kind == "article":
        return article(), (1, 32, 32)
    if kind == "mlp":
        return Named(n=nn.Sequential(nn.Flatten(), nn.Linear(784, 1024), nn.ReLU(), nn.Identity(), nn.Linear(1024, 1024), nn.ReLU(), nn.Identity(), nn.Linear(1024, 10))), (1, 28, 28)
    blocks, before = [], 1
    for width, stride in ((32, 1), (32, 2), (64, 1), (64, 2), (128, 1)):
        blocks.append(nn.Sequential(nn.Conv2d(before, width, 3, padding=1, stride=stride, bias=False), nn.BatchNorm2d(width), nn.ReLU()))
        before = width
    return Named(f=nn.Sequential(*blocks), h=nn.Sequential(nn.Flatten(), nn.Linear(6272, 128), nn.ReLU(), nn.Identity(), nn.Linear(128, 10))), (1, 28, 28)


def reference(net, name, x, y, path):
    net = net.double().eval()
    out = net(torch.from_numpy(x).double())
    rows = torch.arange(len(y))
    if isinstance(net, Depthwise):
        logs = out
    elif isinstance(net, BatchNormNet):
        logs = torch.log(out)
    else:
        logs = torch.log_softmax(out, 1)
    loss = -logs[rows, torch.from_numpy(y)].mean()
    loss.backward()
    arrays = {name: x, "labels": y, "loss": np.float64(loss.item())}
    for weight, parameter in net.named_parameters():
        flat = parameter.grad.numpy().reshape(-1)
        arrays["gradient:" + weight] = flat[::-(-flat.size // 1024) | 1]  # an odd step meets all columns
    np.savez(path, **arrays)


def main():
    if len(sys.argv) == 4:
        model, (net, shape) = onnx.load(sys.argv[1]), known(sys.argv[2])
        net.load_state_dict({t.name: torch.from_numpy(numpy_helper.to_array(t).copy()) for t in model.graph.initializer}, strict=False)
        x = np.random.default_rng(5).random((8, *shape), dtype=np.float32)
        reference(net, model.graph.input[0].name, x, np.arange(8) * 3 % 10, sys.argv[3])
        return
    for name, make, shape, opset in (("attention", Attention, (7, 6), 17), ("depthwise", Depthwise, (3, 20, 18), 14), ("batchnorm", BatchNormNet, (1, 12, 12), 13)):
        torch.manual_seed(7)
        net = make()
        for parameter in net.parameters():
            if parameter.ndim == 1:  # The exporter shares equal constants.
                nn.init.uniform_(parameter, -0.3, 0.3)
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.uniform_(-0.5, 0.5)
                module.running_var.uniform_(0.5, 1.5)
                nn.init.uniform_(module.weight, 0.5, 1.5)
        x = np.random.default_rng(5).standard_normal((6, *shape)).astype(np.float32)
        torch.onnx.export(net.eval(), torch.from_numpy(x[:1]), os.path.join(HERE, name + ".onnx"), opset_version=opset, input_names=["x"], output_names=["y"],
                          dynamic_axes={"x": {0: "N"}, "y": {0: "N"}}, do_constant_folding=False, training=torch.onnx.TrainingMode.PRESERVE)
        reference(net, "x", x, np.arange(6) * 2 % 5, os.path.join(HERE, name + ".npz"))


if __name__ == "__main__":
    main()
