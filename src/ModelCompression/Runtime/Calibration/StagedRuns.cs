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
    private readonly Dictionary<Value, int> positions = new(ReferenceEqualityComparer.Instance);
    private ModelPart? part;
    private CollectionStage? stage;

    /// <summary>Opens the part of the model that a stage runs; the outputs of the last one must have been disposed of.</summary>
    /// <returns>False when ONNX Runtime does not run this part on its own.</returns>
    public bool TryOpen(CollectionStage next)
    {
        Close();
        stage = next;
        foreach (var (position, value) in next.Outputs.Index()) positions.Add(value, position);
        return next.Outputs.Count == 0 || (part = TryOpen(model, next.Outputs, next.Read, v => v)) is not null;
    }

    /// <summary>Runs the stage, for one thread.</summary>
    /// <param name="wanted">Tensors to look at.</param>
    public ISampleRun Start(IReadOnlyList<Value> wanted) => new Runner((index, sample) => Run(index, sample, wanted));

    /// <summary>Opens what an edited copy of the model computes behind the values that the stage has kept.</summary>
    /// <returns>Null when ONNX Runtime does not run this part on its own.</returns>
    public ModelPart? TryOpenBehind(ModelCopy copy, IReadOnlyList<Value> outputs) => TryOpen(copy.Model, outputs, stage!.Behind, v => copy.Values[v]);

    /// <summary>Runs such a part, for one thread.</summary>
    public ISampleRun StartBehind(ModelPart behind) => new Runner((index, sample) =>
    {
        var found = behind.Run(kept[index], sample);
        return new(found, new OwnedValues(found));
    });

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

    private ModelPart? TryOpen(Model source, IReadOnlyList<Value> outputs, IReadOnlyList<Value> read, Func<Value, Value> inSource)
    {
        if (read.Any(v => kept.Any(k => !k[v].IsTensor))) return null;
        try
        {
            return ModelPart.Open(source, outputs, [.. read.Select(v => (v, inSource(v), TypeOf(v)))]);
        }
        catch (DiagnosticException)
        {
            // As for a type that cannot be an input.
            return null;
        }
    }

    private RunOutputs Run(int index, IReadOnlyList<NamedValue> sample, IReadOnlyList<Value> wanted)
    {
        var found = part?.Run(kept[index], sample) ?? [];
        foreach (var value in stage!.Kept) kept[index].Add(value, found[positions[value]]);
        var spare = stage.Outputs.Except(stage.Kept).Select(v => found[positions[v]]).ToArray();
        return new RunOutputs([.. wanted.Select(w => positions.TryGetValue(w, out int at) ? found[at] : kept[index][w])], new OwnedValues(spare));
    }

    /// <summary>Closes the stage, and lets go of what no later one reads.</summary>
    private void Close()
    {
        part?.Dispose();
        part = null;
        foreach (var value in stage?.Spent ?? [])
            foreach (var values in kept)
                if (values.Remove(value, out var spent)) spent.Dispose();
        stage = null;
        positions.Clear();
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

    private sealed class Runner(Func<int, IReadOnlyList<NamedValue>, RunOutputs> run) : ISampleRun
    {
        private RunOutputs? last;

        public RunOutputs Run(int index, IReadOnlyList<NamedValue> sample)
        {
            last?.Dispose();
            return last = run(index, sample);
        }

        public void Dispose() => last?.Dispose();
    }

    private sealed class OwnedValues(IReadOnlyList<OrtValue> values) : IDisposable
    {
        public void Dispose()
        {
            foreach (var value in values) value.Dispose();
        }
    }
}
