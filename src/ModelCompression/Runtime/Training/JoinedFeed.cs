using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using ModelCompression.Data;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Tensors;
using Tensor = ModelCompression.Onnx.Tensors.Tensor;

namespace ModelCompression.Runtime.Training;

/// <summary>Several feeds of one shape, joined along axis 0.</summary>
/// <param name="samples">At least one feed; several only when each has one row.</param>
internal sealed class JoinedFeed(IReadOnlyList<Sample> samples)
{
    /// <summary>The feeds.</summary>
    public IReadOnlyList<Sample> Samples => samples;

    /// <summary>Shapes of the joined inputs, by name.</summary>
    public IReadOnlyDictionary<string, Shape> Shapes => samples[0].Inputs.ToDictionary(i => i.Name, i => ShapeOf(TensorOf(i), samples.Count), StringComparer.Ordinal);

    /// <summary>Equal for feeds that the same graph can take.</summary>
    public string ShapeKey { get; } = string.Join(';', samples[0].Inputs.Select(i => string.Join(',', TensorOf(i).Dims.ToArray()))) + "*" + samples.Count;

    /// <summary>Rows that are data.</summary>
    public int Rows => samples.Sum(RowsOf);

    /// <summary>True for samples that can be joined.</summary>
    public static bool HaveSameShapes(Sample a, Sample b)
    {
        for (int i = 0; i < a.Inputs.Count; i++)
            if (!TensorOf(a.Inputs[i]).Dims.SequenceEqual(TensorOf(b.Inputs[i]).Dims)) return false;
        return true;
    }

    /// <summary>Rows of a feed that are data.</summary>
    public static int RowsOf(Sample sample) =>
        sample.Labels.Count > 0 ? sample.Labels.Count : sample.RowCount ?? (TensorOf(sample.Inputs[0]) is { Rank: > 0 } t ? (int)t.Dims[0] : 1);

    /// <summary>Copies the inputs into native values.</summary>
    public void AddTo(Dictionary<string, OrtValue> feed)
    {
        for (int i = 0; i < samples[0].Inputs.Count; i++)
        {
            var first = TensorOf(samples[0].Inputs[i]);
            var value = OrtValue.CreateAllocatedTensorValue(OrtAllocator.DefaultInstance, (TensorElementType)first.DataType, [.. ShapeOf(first, samples.Count).Dimensions.Select(d => d.Size!.Value)]);
            feed.Add(samples[0].Inputs[i].Name, value);
            var bytes = value.GetTensorMutableRawData();
            for (int s = 0, at = 0; s < samples.Count; s++)
            {
                var part = TensorOf(samples[s].Inputs[i]).AsSpan<byte>();
                part.CopyTo(bytes[at..]);
                at += part.Length;
            }
        }
    }

    /// <summary>The joined inputs as one sample.</summary>
    public Sample ToSample() => new([.. samples[0].Inputs.Select((input, i) =>
    {
        var first = TensorOf(input);
        byte[] bytes = [.. samples.SelectMany(s => TensorOf(s.Inputs[i]).AsSpan<byte>().ToArray())];
        long[] dims = [.. ShapeOf(first, samples.Count).Dimensions.Select(d => d.Size!.Value)];
        return new NamedValue(input.Name, new TensorValue(Tensor.Create(first.DataType, dims, bytes)));
    })]);

    private static Shape ShapeOf(Tensor tensor, int count)
    {
        long[] dims = tensor.Dims.ToArray();
        if (count > 1) dims[0] *= count;
        return Shape.Of(dims);
    }

    private static Tensor TensorOf(NamedValue input) => input.Value is TensorValue { Tensor: { Strings: null } tensor }
        ? tensor
        : throw new DiagnosticException("MCB4061", $"Gradients need inputs that are tensors of numbers; '{input.Name}' is none. Choose a criterion that needs no gradients (Pruning=Magnitude, FineTuneEpochs=0).");
}
