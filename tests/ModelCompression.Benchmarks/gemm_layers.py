"""Writes a large model of Gemm layers with biases and ReLU between, for the cost of compressing and running such models.

    python3 gemm_layers.py OUT.onnx TRANSB [LAYERS SIZE]

TRANSB is 0 or 1. The default, 28 2048, takes 470 MB as external data. Weights have heavy tails and channels of different sizes, as trained ones do. Input: x, float [n, SIZE].
"""

import sys

try:
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper, save
except ModuleNotFoundError as error:
    sys.exit(f"gemm_layers.py needs {error.name}: install ONNX and NumPy (Debian: python3-onnx python3-numpy; elsewhere: pip install onnx numpy).")

DEGREES = 4.5
rng = np.random.default_rng(7)


def weight(size):
    """[outputs, inputs], such that ReLU layers keep the size of what they are given."""
    elements = rng.standard_t(DEGREES, (size, size)) / np.sqrt(DEGREES / (DEGREES - 2))
    elements *= np.exp(0.3 * rng.standard_normal((size, 1))) * np.exp(0.2 * rng.standard_normal((1, size)))
    return (elements * np.sqrt(2 / size) * 0.95).astype(np.float32)


def main():
    if len(sys.argv) not in (3, 5) or sys.argv[2] not in ("0", "1"):
        sys.exit(__doc__)
    out, transposed = sys.argv[1], sys.argv[2] == "1"
    layers, size = (int(a) for a in sys.argv[3:5]) if len(sys.argv) == 5 else (28, 2048)
    nodes, constants, value = [], [], "x"
    for i in range(layers):
        matrix = weight(size)
        constants.append(numpy_helper.from_array(matrix if transposed else np.ascontiguousarray(matrix.T), f"fc{i}.weight"))
        constants.append(numpy_helper.from_array((0.05 * rng.standard_normal(size)).astype(np.float32), f"fc{i}.bias"))
        result = "y" if i == layers - 1 else f"h{i}"
        nodes.append(helper.make_node("Gemm", [value, f"fc{i}.weight", f"fc{i}.bias"], [result], f"/fc{i}/Gemm", transB=int(transposed)))
        if result != "y":
            value = f"r{i}"
            nodes.append(helper.make_node("Relu", [result], [value], f"/r{i}/Relu"))
    inputs, outputs = (helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", size]) for n in "xy")
    graph = helper.make_graph(nodes, "gemm_layers", [inputs], [outputs], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    save(model, out, save_as_external_data=True, location=out.split("/")[-1] + ".data", size_threshold=65536)


main()
