namespace ModelCompression.Passes.Quantization;

/// <summary>How a quantized weight is written into the graph.</summary>
internal enum WeightForm
{
    /// <summary>Codes → Cast → [Sub zero point] → Mul scale: constant for a runtime, so folded into a plain float weight when a session is created.</summary>
    Folded,

    /// <summary>Codes → DequantizeLinear, which ONNX Runtime does not fold but may fuse with the consumer.</summary>
    Dequantized,

    /// <summary>com.microsoft MatMulNBits instead of MatMul or Gemm: codes in the layout of the kernel into which ONNX Runtime would turn DequantizeLinear and MatMul.</summary>
    ProductBlocks,

    /// <summary>For tables: Gather picks rows of codes and of scales, and only these are multiplied, at every run.</summary>
    GatheredRows,
}
