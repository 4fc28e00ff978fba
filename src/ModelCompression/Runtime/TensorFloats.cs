using ModelCompression.Onnx.Tensors;
using ModelCompression.Runtime.Fidelity;

namespace ModelCompression.Runtime;

/// <summary>Copies tensors of any floating point type to binary32.</summary>
internal static class TensorFloats
{
    /// <summary>The elements of a floating point tensor, rounded to binary32.</summary>
    public static float[] Of(Tensor tensor)
    {
        float[] floats = new float[tensor.ElementCount];
        Span<double> chunk = stackalloc double[512];
        for (int start = 0; start < floats.Length; start += chunk.Length)
        {
            var part = chunk[..Math.Min(chunk.Length, floats.Length - start)];
            FloatElements.Read(tensor, start, part);
            for (int i = 0; i < part.Length; i++) floats[start + i] = (float)part[i];
        }

        return floats;
    }
}
