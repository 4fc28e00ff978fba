using Microsoft.ML.OnnxRuntime;
using ModelCompression.Data;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Runtime.Calibration;

/// <summary>A part of a model, opened on its own: it starts from values that an earlier run has computed.</summary>
internal sealed class ModelPart : IDisposable
{
    private readonly ModelSession session;
    private readonly IReadOnlyList<(Value Value, string Input)> read;
    private readonly HashSet<string> sampleInputs;
    private readonly string[] outputNames;

    private ModelPart(ModelSession session, IReadOnlyList<(Value Value, string Input)> read, HashSet<string> sampleInputs, string[] outputNames)
    {
        this.session = session;
        this.read = read;
        this.sampleInputs = sampleInputs;
        this.outputNames = outputNames;
    }

    /// <summary>Opens what computes some values of a model.</summary>
    /// <param name="model">The model.</param>
    /// <param name="outputs">The values.</param>
    /// <param name="read">Values to start from, as they are called where they are kept, as the model knows them, and of which type they are.</param>
    /// <exception cref="DiagnosticException">MCB2040: ONNX Runtime does not run this part on its own.</exception>
    public static ModelPart Open(Model model, IReadOnlyList<Value> outputs, IReadOnlyList<(Value Kept, Value Value, TensorType Type)> read)
    {
        var part = GraphCopy.Empty(model);
        var sampleInputs = part.Graph.Inputs.Select(i => i.Name).ToHashSet(StringComparer.Ordinal);
        var copy = GraphCopy.Start(model.Graph, part.Graph);
        var inputs = read.Select(r => (r.Kept, copy.AddInput(r.Value, r.Type).Name)).ToArray();
        // A graph should not return its own inputs.
        foreach (var output in outputs.Select(o => copy[o]).ToArray()) part.Graph.AddOutput(output.IsGraphInput ? part.Graph.AddNode("Identity", [output], [output.Name]).Outputs[0]! : output);
        foreach (var unread in part.Graph.Inputs.Where(i => i.Uses.Count == 0).ToArray()) part.Graph.RemoveInput(unread);
        sampleInputs.IntersectWith(part.Graph.Inputs.Select(i => i.Name));
        return new(ObservingSession.Open(part, [], SessionSettings.Default with { ReuseMemory = false }), inputs, sampleInputs, [.. part.Graph.Outputs.Select(o => o.Name)]);
    }

    /// <summary>Runs it; for several samples at the same time.</summary>
    /// <param name="kept">Values of the sample to start from.</param>
    /// <param name="sample">Values of the model's inputs.</param>
    /// <returns>The outputs; the caller disposes of them.</returns>
    /// <exception cref="DiagnosticException">MCB2041: the run failed.</exception>
    public IReadOnlyList<OrtValue> Run(IReadOnlyDictionary<Value, OrtValue> kept, IReadOnlyList<NamedValue> sample)
    {
        var native = new Dictionary<string, OrtValue>(StringComparer.Ordinal);
        var own = new List<OrtValue>();
        try
        {
            session.Guard(() =>
            {
                foreach (var input in sample.Where(i => sampleInputs.Contains(i.Name)))
                {
                    own.Add(OrtValues.ToNative(input.Value));
                    native.Add(input.Name, own[^1]);
                }
            });
            foreach (var (value, name) in read) native.Add(name, kept[value]);
            return session.Run(native, outputNames);
        }
        finally
        {
            foreach (var value in own) value.Dispose();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => session.Dispose();
}
