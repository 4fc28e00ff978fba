using Microsoft.ML.OnnxRuntime;
using ModelCompression.Data;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Statistics;
using Tensor = ModelCompression.Onnx.Tensors.Tensor;

namespace ModelCompression.Runtime;

/// <summary>Outputs of a run where ONNX Runtime has put them, not copied.</summary>
internal sealed class RunOutputs : IDisposable
{
    private readonly IReadOnlyList<OrtValue> values;
    private readonly IDisposable owner;
    private readonly NativeTensor?[] tensors;
    private readonly float[]?[] converted;
    private readonly byte[]?[] copies;
    private NamedValue[]? named;

    /// <summary>Takes over the values of a run.</summary>
    /// <param name="values">Native values in the order they were asked for.</param>
    public RunOutputs(IDisposableReadOnlyCollection<OrtValue> values)
        : this(values, values)
    {
    }

    /// <summary>Sees values.</summary>
    /// <param name="values">Native values in the order they were asked for.</param>
    /// <param name="owner">What to dispose of with the outputs.</param>
    public RunOutputs(IReadOnlyList<OrtValue> values, IDisposable owner)
    {
        this.values = values;
        this.owner = owner;
        tensors = [.. values.Select(NativeTensor.TryFrom)];
        converted = new float[]?[values.Count];
        copies = new byte[]?[values.Count];
    }

    /// <summary>The tensors in the order they were asked for; null for what is no tensor of numbers.</summary>
    public IReadOnlyList<NativeTensor?> Tensors => tensors;

    /// <summary>Sees an output as binary32; false if it is no floating point tensor. Safe for one thread at a time.</summary>
    public bool TryView(int index, int sample, out TensorView view)
    {
        view = default;
        if (tensors[index] is not { } tensor) return false;
        if (tensor.Type == DataType.Float) view = new(tensor.Floats, tensor.Dims, sample);
        else if (tensor.Type.IsFloatingPoint()) view = new(converted[index] ??= Convert(tensor), tensor.Dims, sample);
        else return false;
        return true;
    }

    /// <summary>Copies an output.</summary>
    public ModelValue Copy(int index) => OrtValues.FromNative(values[index]);

    /// <summary>Copies all outputs; the copies are those of the next run too, as soon as that is asked for its own.</summary>
    /// <param name="names">Names of the outputs.</param>
    public IReadOnlyList<NamedValue> Copy(IReadOnlyCollection<string> names)
    {
        named ??= [.. names.Select((name, i) => new NamedValue(name, FirstCopy(i)))];
        for (int i = 0; i < named.Length; i++)
        {
            if (copies[i] is { } copy) tensors[i]!.Bytes.CopyTo(copy);
            else named[i] = named[i] with { Value = Copy(i) };
        }

        return named;
    }

    private ModelValue FirstCopy(int index)
    {
        if (tensors[index] is not { } tensor) return Copy(index);
        byte[] copy = copies[index] = new byte[tensor.Bytes.Length];
        return new TensorValue(Tensor.Create(tensor.Type, tensor.Dims, copy));
    }

    /// <summary>Tells that another run has filled the same memory.</summary>
    public void Refresh() => Array.Clear(converted);

    /// <inheritdoc/>
    public void Dispose() => owner.Dispose();

    private static float[] Convert(NativeTensor tensor) => TensorFloats.Of(Tensor.Create(tensor.Type, tensor.Dims, tensor.Bytes.ToArray()));
}
