using ModelCompression.Analysis.Costs;
using ModelCompression.Data;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Passes;
using ModelCompression.Reports;

namespace ModelCompression.Pipeline;

/// <summary>Counts parameters and work. The zeros of a tensor are counted once, however often it is met.</summary>
internal sealed class ModelCounter
{
    /// <summary>From here on, counting the zeros of a weight waits in case that somebody else looks at all of its elements meanwhile.</summary>
    private const long MinDeferredByteLength = 1L << 20;

    private PendingCount plain = new(0, 0, []);

    /// <summary>Notes the parameters of the model as it is. It may be edited afterwards, but must stay open until the count is complete.</summary>
    public static PendingCount Begin(Model model)
    {
        var weights = new List<CountedWeight>();
        var count = ParameterCounter.CountNonZero(model, value =>
        {
            if (!value.TryGetConstant(out var tensor) || !tensor.DataType.IsFloatingPoint()) return null;
            weights.Add(CountedWeight.Of(value, tensor, waits: tensor.Data.IsMapped && tensor.ByteLength >= MinDeferredByteLength));
            return 0;
        });
        return new(count.Parameters, count.NonZeroParameters ?? count.Parameters, weights);
    }

    /// <summary>Parameters of a model from a file, those that are packed unpacked as a session does it to see which of them are zero.</summary>
    public static ModelFigures CountUnpacked(Model model)
    {
        var count = ParameterCounter.CountNonZero(model, value => PackedCodes.CountNonZeros(value, v => UnpackedConstant.Of(model, v)) ?? CountUnpacked(model, value));
        return new() { Parameters = count.Parameters, NonZeroParameters = count.NonZeroParameters ?? count.Parameters };
    }

    private static long? CountUnpacked(Model model, Value value) =>
        !value.TryGetConstant(out _) && UnpackedConstant.Of(model, value) is { } tensor && tensor.DataType.IsFloatingPoint() ? NonZeroCounter.Count([tensor])[0] : null;

    /// <summary>To be called when pruning is done and storage has not begun: the counts of what is quantized later come from the codes.</summary>
    public void Remember(Model model) => plain = Begin(model);

    /// <summary>Parameters of the result: of quantized weights those that their codes do not make zero, of others as last remembered.</summary>
    public ModelFigures Result(PassLog log) => plain.Complete(log.NonZeroCountOf);

    /// <summary>Multiply-accumulate operations of one run on a sample.</summary>
    public static long Macs(Model model, Sample? sample)
    {
        var shapes = new Dictionary<string, Shape>(StringComparer.Ordinal);
        foreach (var input in sample?.Inputs ?? [])
            if (input.Value is TensorValue { Tensor: { } tensor }) shapes[input.Name] = Shape.Of(tensor.Dims);
        return CostModel.Measure(model, shapes).Macs;
    }
}

/// <summary>Parameters of a model, some of which have not been looked at yet.</summary>
/// <param name="Parameters">All.</param>
/// <param name="OtherNonZeros">Those that are not zero, apart from <paramref name="Weights"/>.</param>
/// <param name="Weights">Stored floating point weights.</param>
internal sealed record PendingCount(long Parameters, long OtherNonZeros, IReadOnlyList<CountedWeight> Weights)
{
    /// <summary>Counts what nobody has counted meanwhile.</summary>
    /// <param name="knownOf">Elements of a weight that are not zero where that is known otherwise; null for none.</param>
    public ModelFigures Complete(Func<Value, long?>? knownOf = null) =>
        new() { Parameters = Parameters, NonZeroParameters = OtherNonZeros + Weights.Sum(w => knownOf?.Invoke(w.Weight) ?? w.NonZeroCount) };
}

/// <summary>A weight whose elements other than zero are counted when they are asked for.</summary>
internal sealed class CountedWeight
{
    private readonly Tensor? pending;
    private readonly long counted;

    private CountedWeight(Value weight, Tensor? pending, long counted)
    {
        Weight = weight;
        this.pending = pending;
        this.counted = counted;
    }

    /// <summary>The value that holds the weight.</summary>
    public Value Weight { get; }

    /// <summary>Its elements other than ±0.</summary>
    public long NonZeroCount => pending is null ? counted : Count(pending, releases: true);

    /// <summary>Counts now, since keeping the elements would cost memory, unless the weight <paramref name="waits"/> in a mapped file.</summary>
    public static CountedWeight Of(Value weight, Tensor content, bool waits) => waits ? new(weight, content, 0) : new(weight, null, Count(content, releases: false));

    private static long Count(Tensor tensor, bool releases)
    {
        if (tensor.NonZeroCount is { } known) return known;
        tensor.NonZeroCount = NonZeroCounter.Count([tensor])[0];
        if (releases) tensor.Data.ReleasePages();
        return tensor.NonZeroCount.Value;
    }
}
