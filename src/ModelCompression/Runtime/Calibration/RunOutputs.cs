using Microsoft.ML.OnnxRuntime;
using ModelCompression.Data;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Statistics;
using Tensor = ModelCompression.Onnx.Tensors.Tensor;

namespace ModelCompression.Runtime.Calibration;

/// <summary>Outputs of one run where ONNX Runtime has put them, not copied.</summary>
/// <param name="values">Native values in the order they were asked for.</param>
internal sealed class RunOutputs(IDisposableReadOnlyCollection<OrtValue> values) : IDisposable
{
    private readonly float[]?[] converted = new float[]?[values.Count];

    /// <summary>Sees an output as binary32; false if it is no floating point tensor. Safe for one thread at a time.</summary>
    public bool TryView(int index, int sample, out TensorView view)
    {
        view = default;
        var value = values[index];
        if (!value.IsTensor) return false;
        var info = value.GetTensorTypeAndShape();
        var type = (DataType)info.ElementDataType;
        if (type == DataType.Float) view = new(value.GetTensorDataAsSpan<float>(), info.Shape, sample);
        else if (type.IsFloatingPoint()) view = new(converted[index] ??= Convert(type, info.Shape, value), info.Shape, sample);
        else return false;
        return true;
    }

    /// <summary>Copies an output.</summary>
    public ModelValue Copy(int index) => OrtValues.FromNative(values[index]);

    /// <inheritdoc/>
    public void Dispose() => values.Dispose();

    private static float[] Convert(DataType type, long[] shape, OrtValue value) =>
        TensorFloats.Of(Tensor.Create(type, shape, value.GetTensorMutableRawData().ToArray()));
}
