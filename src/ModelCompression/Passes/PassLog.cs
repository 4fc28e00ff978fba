using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;

namespace ModelCompression.Passes;

/// <summary>One edit of a pass, or a refusal with its reason.</summary>
/// <param name="Pass">Pass name.</param>
/// <param name="Target">Node or value.</param>
/// <param name="Applied">False for a refusal.</param>
/// <param name="Reason">Why.</param>
public sealed record PassEdit(string Pass, string Target, bool Applied, string Reason);

/// <summary>Collects what passes did, for the report.</summary>
public sealed class PassLog
{
    private readonly List<PassEdit> edits = [];
    private readonly List<Diagnostic> diagnostics = [];
    private readonly Dictionary<Value, LayerRecord> layers = new(ReferenceEqualityComparer.Instance);
    private readonly List<LayerRecord> layerOrder = [];

    /// <summary>Edits and refusals in order.</summary>
    public IReadOnlyList<PassEdit> Edits => edits;

    /// <summary>Warnings and messages for the user.</summary>
    public IReadOnlyList<Diagnostic> Diagnostics => diagnostics;

    /// <summary>Records per weight in graph order.</summary>
    public IReadOnlyList<LayerRecord> Layers => layerOrder;

    /// <summary>Takes the progress of passes that work for long: a stage, and steps done of a total.</summary>
    public Action<string, int, int>? OnProgress { get; init; }

    /// <summary>Tells how far a stage is.</summary>
    public void Progress(string stage, int done, int total) => OnProgress?.Invoke(stage, done, total);

    /// <summary>Records an edit.</summary>
    public void Applied(string pass, string target, string reason) => edits.Add(new(pass, target, true, reason));

    /// <summary>Records a refusal.</summary>
    public void Refused(string pass, string target, string reason) => edits.Add(new(pass, target, false, reason));

    /// <summary>Adds a warning or message for the user; one with the same text is added once.</summary>
    public void Report(Diagnostic diagnostic)
    {
        if (!diagnostics.Contains(diagnostic)) diagnostics.Add(diagnostic);
    }

    /// <summary>The record of the weight that <paramref name="value"/> held originally; made on first use.</summary>
    public LayerRecord Layer(Value value, Func<LayerRecord> make)
    {
        if (!layers.TryGetValue(value, out var record))
        {
            layers.Add(value, record = make());
            layerOrder.Add(record);
        }

        return record;
    }
}
