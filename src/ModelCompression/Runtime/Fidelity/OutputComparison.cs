using ModelCompression.Data;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Runtime.Fidelity;

/// <summary>Compares the outputs of two models sample by sample and sums up at the end. Memory does not grow with the number of samples.</summary>
internal sealed class OutputComparison
{
    private readonly List<OutputState> states = [];
    private readonly Dictionary<string, OutputState> byName = new(StringComparer.Ordinal);
    private readonly TopOneAgreement topOne = new();
    private readonly List<Diagnostic> errors = [];
    private string? scoreOutput;

    /// <summary>Errors found so far, at most one per output and kind.</summary>
    public IReadOnlyList<Diagnostic> Errors => errors;

    /// <summary>Compares one sample.</summary>
    public void Add(int sample, IReadOnlyList<NamedValue> original, IReadOnlyList<NamedValue> compressed)
    {
        var expected = FlatOutputs.Of(original);
        var found = FlatOutputs.Of(compressed).ToDictionary(f => f.Name, f => f.Tensor, StringComparer.Ordinal);
        foreach (var (name, reference) in expected)
        {
            if (!byName.TryGetValue(name, out var state)) states.Add(byName[name] = state = new(name));
            if (!found.TryGetValue(name, out var actual)) state.Note = "missing in some samples of the compressed model";
            else Compare(sample, state, reference, actual);
        }
    }

    /// <summary>The result over all samples.</summary>
    public FidelityResult Summarize(SampleOrigin origin, int samples, string? reason)
    {
        var total = new OutputDistance();
        foreach (var state in states) total.Add(state.Distance);
        bool finite = total.ElementCount > 0 || !states.Exists(s => s.ReferenceElements > 0);
        return new FidelityResult
        {
            Inputs = origin,
            Samples = samples,
            SqnrDb = Finite(total.SqnrDb, total),
            Cosine = Finite(total.Cosine, total),
            MaxAbsoluteDifference = total.ElementCount == 0 ? null : total.MaxAbsoluteDifference,
            TopOneAgreement = topOne.Share,
            Outputs = [.. states.Select(s => s.Summarize())],
            OriginalIsFinite = finite,
            Reason = !finite ? "the original's own outputs are NaN or infinite" : total.ElementCount == 0 ? reason ?? "no output has floating point elements" : reason,
            Errors = errors,
        };
    }

    private static double? Finite(double value, OutputDistance distance) => distance.ElementCount == 0 || double.IsNaN(value) ? null : value;

    private void Compare(int sample, OutputState state, Tensor? reference, Tensor? actual)
    {
        if (reference is null || actual is null)
        {
            state.Note = "a type that cannot be looked into";
        }
        else if (reference.DataType != actual.DataType || reference.Rank != actual.Rank)
        {
            Fail(state, "MCB4043", $"expected {reference}, found {actual}");
        }
        else if (!reference.Dims.SequenceEqual(actual.Dims))
        {
            // Boxes above a threshold, decoded lengths: sizes that depend on values may change when values change a little.
            state.Note = $"different size in sample {sample}: {reference} and {actual}";
        }
        else if (reference.DataType.IsFloatingPoint())
        {
            CompareFloats(sample, state, reference, actual);
        }
        else
        {
            state.CountEqual(reference, actual);
        }
    }

    private void CompareFloats(int sample, OutputState state, Tensor reference, Tensor actual)
    {
        state.IsFloat = true;
        state.ReferenceElements += reference.ElementCount;
        long before = state.Distance.NonFiniteCount;
        state.Distance.Add(reference, actual);
        if (state.Distance.NonFiniteCount > before)
            Fail(state, "MCB4042", $"{state.Distance.NonFiniteCount - before} of {reference.ElementCount} elements are NaN or infinite in sample {sample} where the original's are finite");
        if (scoreOutput is null && TopOneAgreement.ClassCount(reference) > 0) scoreOutput = state.Name;
        if (scoreOutput == state.Name) topOne.Add(reference, actual);
    }

    private void Fail(OutputState state, string code, string what)
    {
        if (!state.Failed.Add(code)) return;
        errors.Add(Diagnostic.Error(code, $"Output '{state.Name}' of the compressed model is wrong: {what}. No file was replaced; exclude nodes with ExcludeNodes, or choose another Quantization or more bits."));
    }

    private sealed class OutputState(string name)
    {
        private long equal;
        private long compared;

        public string Name { get; } = name;

        public OutputDistance Distance { get; } = new();

        public HashSet<string> Failed { get; } = new(StringComparer.Ordinal);

        public bool IsFloat { get; set; }

        /// <summary>Floating point elements of the original's, finite or not.</summary>
        public long ReferenceElements { get; set; }

        public string Note { get; set; } = "";

        public void CountEqual(Tensor reference, Tensor actual)
        {
            compared += reference.ElementCount;
            if (reference.Strings is { } strings)
            {
                for (int i = 0; i < strings.Count; i++)
                    if (strings[i].Span.SequenceEqual(actual.Strings![i].Span)) equal++;
                return;
            }

            int size = Math.Max(1, reference.DataType.BitWidth() / 8);
            ReadOnlySpan<byte> left = reference.AsSpan<byte>(), right = actual.AsSpan<byte>();
            for (int at = 0; at + size <= left.Length; at += size)
                if (left.Slice(at, size).SequenceEqual(right.Slice(at, size))) equal++;
        }

        public OutputFidelity Summarize() => new(
            Name,
            IsFloat ? Finite(Distance.SqnrDb, Distance) : null,
            IsFloat ? Finite(Distance.Cosine, Distance) : null,
            IsFloat && Distance.ElementCount > 0 ? Distance.MaxAbsoluteDifference : null,
            compared == 0 ? null : (double)equal / compared,
            Note);
    }
}
