using Microsoft.ML.OnnxRuntime;
using ModelCompression.Data;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Runtime.Calibration;

/// <summary>
/// Runs a model over samples stage by stage, see <see cref="CollectionStages"/>: what is final is computed once and kept in native memory as long as later stages read it. All stages together
/// cost little more than opening and running the model once.
/// </summary>
/// <param name="model">The model.</param>
/// <param name="sampleCount">Samples, all of which run in every stage.</param>
internal sealed class StagedRuns(Model model, int sampleCount) : IDisposable
{
    private readonly Dictionary<Value, OrtValue>[] kept = [.. Enumerable.Range(0, sampleCount).Select(_ => new Dictionary<Value, OrtValue>(ReferenceEqualityComparer.Instance))];
    private readonly Dictionary<Value, string> inputs = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<Value, int> outputs = new(ReferenceEqualityComparer.Instance);
    private string[] outputNames = [];
    private HashSet<string> sampleInputs = [];
    private ModelSession? session;
    private CollectionStage? stage;

    /// <summary>Opens the part of the model that a stage runs; the outputs of the last one must have been disposed of.</summary>
    /// <returns>False when ONNX Runtime does not run this part on its own.</returns>
    public bool TryOpen(CollectionStage next)
    {
        Close();
        if (next.Read.Any(v => kept.Any(k => !k[v].IsTensor))) return false;
        try
        {
            Open(next);
            return true;
        }
        catch (DiagnosticException)
        {
            // As for a type that cannot be an input.
            return false;
        }
    }

    /// <summary>Runs for one thread.</summary>
    /// <param name="wanted">Tensors to look at.</param>
    public ISampleRun Start(IReadOnlyList<Value> wanted) => new Runner(this, wanted);

    /// <inheritdoc/>
    public void Dispose()
    {
        Close();
        foreach (var values in kept)
        {
            foreach (var value in values.Values) value.Dispose();
            values.Clear();
        }
    }

    private void Open(CollectionStage next)
    {
        stage = next;
        if (next.Outputs.Count == 0) return;
        var part = GraphCopy.Empty(model);
        sampleInputs = [.. part.Graph.Inputs.Select(i => i.Name)];
        var copy = GraphCopy.Start(model.Graph, part.Graph);
        foreach (var value in next.Read) inputs.Add(value, copy.AddInput(value, TypeOf(value)).Name);
        foreach (var value in next.Outputs)
        {
            outputs.Add(value, outputs.Count);
            part.Graph.AddOutput(copy[value]);
        }

        foreach (var unread in part.Graph.Inputs.Where(i => i.Uses.Count == 0).ToArray()) part.Graph.RemoveInput(unread);
        sampleInputs.IntersectWith(part.Graph.Inputs.Select(i => i.Name));
        outputNames = [.. part.Graph.Outputs.Select(o => o.Name)];
        session = ObservingSession.Open(part, [], SessionSettings.Default with { ReuseMemory = false });
    }

    private RunOutputs Run(int index, IReadOnlyList<NamedValue> sample, IReadOnlyList<Value> wanted)
    {
        var mine = kept[index];
        var found = session is null ? [] : Compute(session, mine, sample);
        var spare = new List<OrtValue>();
        foreach (var (value, position) in outputs)
        {
            if (stage!.Kept.Contains(value)) mine.Add(value, found[position]);
            else spare.Add(found[position]);
        }

        return new RunOutputs([.. wanted.Select(w => outputs.TryGetValue(w, out int at) ? found[at] : mine[w])], new OwnedValues(spare));
    }

    private OrtValue[] Compute(ModelSession part, Dictionary<Value, OrtValue> mine, IReadOnlyList<NamedValue> sample)
    {
        var native = new Dictionary<string, OrtValue>(StringComparer.Ordinal);
        var own = new List<OrtValue>();
        try
        {
            part.Guard(() =>
            {
                foreach (var input in sample.Where(i => sampleInputs.Contains(i.Name)))
                {
                    own.Add(OrtValues.ToNative(input.Value));
                    native.Add(input.Name, own[^1]);
                }
            });
            foreach (var (value, name) in inputs) native.Add(name, mine[value]);
            return [.. part.Run(native, outputNames)];
        }
        finally
        {
            foreach (var value in own) value.Dispose();
        }
    }

    /// <summary>Closes the stage, and lets go of what no later one reads.</summary>
    private void Close()
    {
        session?.Dispose();
        session = null;
        inputs.Clear();
        outputs.Clear();
        foreach (var value in stage?.Spent ?? [])
            foreach (var values in kept)
                if (values.Remove(value, out var spent)) spent.Dispose();
    }

    /// <summary>The type of what the samples have for a value, with the sizes that they agree about.</summary>
    private TensorType TypeOf(Value value)
    {
        var first = kept[0][value].GetTensorTypeAndShape();
        long?[] dims = [.. first.Shape.Select(d => (long?)d)];
        foreach (var values in kept.Skip(1))
        {
            long[] others = values[value].GetTensorTypeAndShape().Shape;
            if (others.Length != dims.Length) return new((DataType)first.ElementDataType, null);
            for (int i = 0; i < dims.Length; i++)
                if (dims[i] != others[i]) dims[i] = null;
        }

        return new((DataType)first.ElementDataType, new Shape([.. dims.Select(d => d is { } size ? Dimension.Of(size) : Dimension.Unknown)]));
    }

    private sealed class Runner(StagedRuns runs, IReadOnlyList<Value> wanted) : ISampleRun
    {
        private RunOutputs? last;

        public RunOutputs Run(int index, IReadOnlyList<NamedValue> sample)
        {
            last?.Dispose();
            return last = runs.Run(index, sample, wanted);
        }

        public void Dispose() => last?.Dispose();
    }

    private sealed class OwnedValues(List<OrtValue> values) : IDisposable
    {
        public void Dispose()
        {
            foreach (var value in values) value.Dispose();
        }
    }
}
