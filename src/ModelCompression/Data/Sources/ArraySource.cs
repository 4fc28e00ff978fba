using ModelCompression.Data.Arrays;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Options;

namespace ModelCompression.Data.Sources;

/// <summary>Samples from the arrays of a <c>.npz</c> or a single <c>.npy</c> file.</summary>
internal sealed class ArraySource : DataSource
{
    private const string OutputPrefix = "output:";

    private readonly ArrayCollection arrays;
    private readonly IReadOnlyList<ArrayBinding> inputs;
    private readonly IReadOnlyList<ArrayBinding> outputs;
    private readonly long[] labels;
    private readonly long rowsPerFeed;

    private ArraySource(string file, ArrayCollection arrays, ModelInterface model, bool needsLabels)
    {
        this.arrays = arrays;
        var remaining = arrays.Arrays.ToList();
        inputs = BindInputs(file, remaining, model);
        Count = CountFeeds(file, inputs);
        rowsPerFeed = inputs.Where(i => !i.IsStacked).Select(i => i.RowsPerFeed).DefaultIfEmpty(1).Max();
        RowCount = inputs.Where(i => !i.IsStacked).Select(i => i.RowCount).DefaultIfEmpty(Count).Max();
        try
        {
            labels = TakeLabels(file, remaining, model);
        }
        catch (DiagnosticException e) when (!needsLabels)
        {
            labels = [];
            LabelProblem = e.Diagnostic with { Severity = DiagnosticSeverity.Warning, Message = $"{e.Diagnostic.Message} They are left out, since FineTuneLoss=Distillation needs none." };
        }

        outputs = BindOutputs(file, remaining, model);
        if (remaining.Count > 0) throw Unmatched(file, remaining[0].Name, model);
    }

    /// <inheritdoc/>
    public override int Count { get; }

    /// <inheritdoc/>
    public override long RowCount { get; }

    /// <inheritdoc/>
    public override bool HasLabels => labels.Length > 0;

    /// <inheritdoc/>
    public override Diagnostic? LabelProblem { get; }

    /// <inheritdoc/>
    public override IReadOnlyList<string> ExpectedOutputs => [.. outputs.Select(o => o.Port.Name)];

    /// <summary>Binds every array to an input, the labels or an output.</summary>
    /// <exception cref="Onnx.Diagnostics.DiagnosticException">MCB3005 to MCB3011.</exception>
    public static ArraySource Open(string file, ArrayCollection arrays, ModelInterface model, bool needsLabels = true)
    {
        try
        {
            return new ArraySource(file, arrays, model, needsLabels);
        }
        catch
        {
            arrays.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public override Sample Read(int index, SampleBuffers? buffers)
    {
        long first = index * rowsPerFeed;
        int rows = (int)Math.Min(rowsPerFeed, RowCount - first);
        return new Sample(Read(inputs, index, buffers, pad: true))
        {
            Labels = HasLabels ? labels[(int)first..(int)(first + rows)] : [],
            ExpectedOutputs = Read(outputs, index, buffers, pad: false),
            RowCount = rowsPerFeed > 1 ? rows : null,
        };
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        arrays.Dispose();
        base.Dispose();
    }

    private static NamedValue[] Read(IReadOnlyList<ArrayBinding> bindings, int index, SampleBuffers? buffers, bool pad)
    {
        if (bindings.Count == 0) return [];
        var values = new NamedValue[bindings.Count];
        for (int i = 0; i < values.Length; i++) values[i] = new(bindings[i].Port.Name, new TensorValue(bindings[i].Read(index, buffers, pad)));
        return values;
    }

    private static List<ArrayBinding> BindInputs(string file, List<NpyArray> remaining, ModelInterface model)
    {
        var bindings = new List<ArrayBinding>();
        foreach (var port in model.Inputs)
        {
            var array = remaining.Find(a => a.Name == port.Name) ?? (model.Inputs.Count == 1 ? OnlyCandidate(remaining) : null);
            if (array is null) throw Missing(file, port, remaining);
            remaining.Remove(array);
            bindings.Add(ArrayBinding.For(file, port, array));
        }

        return bindings;
    }

    /// <summary>With one input, a single array of any name is that input.</summary>
    private static NpyArray? OnlyCandidate(List<NpyArray> remaining) =>
        remaining.FindAll(a => a.Name != Labels.ArrayName && !a.Name.StartsWith(OutputPrefix, StringComparison.Ordinal)) is [var only] ? only : null;

    private static int CountFeeds(string file, IReadOnlyList<ArrayBinding> inputs)
    {
        var counted = inputs.Where(i => !i.IsShared).ToList();
        if (counted.Count == 0) return 1;
        var first = counted[0];
        if (counted.Find(i => i.FeedCount != first.FeedCount) is { } other)
        {
            throw DataError.Of(
                file,
                "MCB3009",
                FormattableString.Invariant($"Array '{first.ArrayName}' has {first.FeedCount} samples but '{other.ArrayName}' has {other.FeedCount}. Axis 0 must count the same samples in all arrays."));
        }

        if (first.FeedCount == 0) throw DataError.Of(file, "MCB3005", $"Array '{first.ArrayName}' has no samples. Give at least one.");
        return checked((int)first.FeedCount);
    }

    private long[] TakeLabels(string file, List<NpyArray> remaining, ModelInterface model)
    {
        var array = remaining.Find(a => a.Name == Labels.ArrayName);
        if (array is null) return [];
        remaining.Remove(array);
        return Labels.Read(file, array, RowCount, model);
    }

    private List<ArrayBinding> BindOutputs(string file, List<NpyArray> remaining, ModelInterface model)
    {
        var bindings = new List<ArrayBinding>();
        foreach (var array in remaining.FindAll(a => a.Name.StartsWith(OutputPrefix, StringComparison.Ordinal)))
        {
            string name = array.Name[OutputPrefix.Length..];
            var port = model.Outputs.FirstOrDefault(o => o.Name == name) ?? throw Unmatched(file, array.Name, model);
            var binding = ArrayBinding.For(file, port, array);
            long expected = binding.IsStacked ? Count : RowCount;
            if (binding.RowCount != expected)
                throw DataError.Of(file, "MCB3011", FormattableString.Invariant($"Array '{array.Name}' has {binding.RowCount} rows; expected {expected}, one for each sample."));
            bindings.Add(binding.IsStacked ? binding : binding.WithRowsPerFeed(rowsPerFeed));
            remaining.Remove(array);
        }

        return bindings;
    }

    private static Onnx.Diagnostics.DiagnosticException Missing(string file, ModelPort port, List<NpyArray> remaining)
    {
        string names = remaining.Count == 0 ? "none" : string.Join(", ", remaining.Select(a => $"'{a.Name}'"));
        return DataError.Of(file, "MCB3006", $"There is no array for the model's input {port}; arrays found: {names}.{ClosestMatch.Hint(port.Name, remaining.Select(a => a.Name))} Name each array exactly like its input.");
    }

    private static Onnx.Diagnostics.DiagnosticException Unmatched(string file, string name, ModelInterface model)
    {
        if (model.Inputs.Any(i => i.Name == name) || name == Labels.ArrayName) return DataError.Of(file, "MCB3006", $"Array '{name}' occurs twice. Write the file again with each name once.");
        var known = model.Inputs.Select(i => i.Name).Append(Labels.ArrayName).Concat(model.Outputs.Select(o => OutputPrefix + o.Name)).ToList();
        return DataError.Of(file, "MCB3006", $"Array '{name}' is neither an input nor an output of the model nor '{Labels.ArrayName}'; known names: {string.Join(", ", known.Select(n => $"'{n}'"))}.{ClosestMatch.Hint(name, known)}");
    }
}
