using ModelCompression.Analysis.Costs;
using ModelCompression.Data;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Reports;

namespace ModelCompression.Pipeline;

/// <summary>Counts parameters and work. The zeros of a tensor are counted once, however often it is met.</summary>
internal sealed class ModelCounter
{
    /// <summary>From here on, counting the zeros of a weight waits in case that somebody else looks at all of its elements meanwhile.</summary>
    private const long MinDeferredByteLength = 1L << 20;

    private PendingCount plain = new(0, 0, []);

    /// <summary>Parameters of the model as it is, and those that are not zero.</summary>
    public static ModelFigures Count(Model model) => Begin(model).Complete();

    /// <summary>Notes the parameters of the model as it is. It may be edited afterwards, but must stay open until the count is complete.</summary>
    public static PendingCount Begin(Model model)
    {
        var pending = new List<Tensor>();
        var count = ParameterCounter.CountNonZero(model, value => value.TryGetConstant(out var tensor) && tensor.DataType.IsFloatingPoint() ? NonZeros(tensor, pending) : null);
        return new(count.Parameters, count.NonZeroParameters ?? count.Parameters, pending);
    }

    /// <summary>To be called when pruning is done and storage has not begun: packing changes how weights are stored, not what the model computes with.</summary>
    public void Remember(Model model) => plain = Begin(model);

    /// <summary>Parameters of the result, as last remembered.</summary>
    public ModelFigures Remembered => plain.Complete();

    /// <summary>Multiply-accumulate operations for one sample.</summary>
    public static long Macs(Model model, Sample? sample)
    {
        var shapes = new Dictionary<string, Shape>(StringComparer.Ordinal);
        foreach (var input in sample?.Inputs ?? [])
            if (input.Value is TensorValue { Tensor: { } tensor }) shapes[input.Name] = Shape.Of(tensor.Dims);
        return CostModel.Measure(model, shapes).Macs;
    }

    /// <summary>Counts now what would cost memory to keep; a weight in a mapped file can wait.</summary>
    private static long NonZeros(Tensor tensor, List<Tensor> pending)
    {
        if (tensor.NonZeroCount is { } known) return known;
        if (!tensor.Data.IsMapped || tensor.ByteLength < MinDeferredByteLength) return (tensor.NonZeroCount = NonZeroCounter.Count([tensor])[0]).Value;
        pending.Add(tensor);
        return 0;
    }
}

/// <summary>Parameters of a model, some of which have not been looked at yet.</summary>
/// <param name="Parameters">All.</param>
/// <param name="KnownNonZeros">Those that are not zero, apart from <paramref name="Pending"/>.</param>
/// <param name="Pending">Weights whose zeros are not counted yet.</param>
internal sealed record PendingCount(long Parameters, long KnownNonZeros, IReadOnlyList<Tensor> Pending)
{
    /// <summary>Counts what nobody has counted meanwhile.</summary>
    public ModelFigures Complete()
    {
        long total = KnownNonZeros;
        foreach (var tensor in Pending)
        {
            if (tensor.NonZeroCount is null)
            {
                tensor.NonZeroCount = NonZeroCounter.Count([tensor])[0];
                tensor.Data.ReleasePages();
            }

            total += tensor.NonZeroCount.Value;
        }

        return new() { Parameters = Parameters, NonZeroParameters = total };
    }
}
