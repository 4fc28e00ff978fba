using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;

namespace ModelCompression.Passes;

/// <summary>One edit of a pass, or a refusal with its reason.</summary>
/// <param name="Pass">Pass name.</param>
/// <param name="Target">Node or value.</param>
/// <param name="Applied">False for a refusal.</param>
/// <param name="Reason">Why.</param>
public sealed record PassEdit(string Pass, string Target, bool Applied, string Reason);

/// <summary>Gradient of a channel or weight over training batches.</summary>
/// <param name="Name">The layer.</param>
/// <param name="Mean">Mean.</param>
/// <param name="Std">Population standard deviation.</param>
/// <param name="Removed">Whether it was removed; null when that was decided later by rank.</param>
public sealed record UnitGradient(string Name, double Mean, double Std, bool? Removed);

/// <summary>Collects what passes did, for the report.</summary>
public sealed class PassLog
{
    private readonly List<PassEdit> edits = [];
    private readonly List<Diagnostic> diagnostics = [];
    private readonly Dictionary<Value, LayerRecord> layers = new(ReferenceEqualityComparer.Instance);
    private readonly List<LayerRecord> layerOrder = [];
    private readonly List<UnitGradient> gradients = [];

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

    /// <summary>True if records are to keep the weights they began with, for histograms.</summary>
    public bool KeepsWeights { get; init; }

    /// <summary>Gradients of units, for pruning by gradients.</summary>
    public IReadOnlyList<UnitGradient> Gradients => gradients;

    /// <summary>Records the gradient of a channel or weight over training batches.</summary>
    public void Gradient(UnitGradient gradient) => gradients.Add(gradient);

    /// <summary>Notes which units of a layer are removed, where that was decided by rank.</summary>
    /// <param name="layer">The layer, as in the units' names.</param>
    /// <param name="removed">Per unit.</param>
    public void GradientsDecided(string layer, bool[] removed)
    {
        var numbers = Enumerable.Range(0, removed.Length).ToDictionary(u => FormattableString.Invariant($"{layer}[{u}]"), u => u, StringComparer.Ordinal);
        for (int i = 0; i < gradients.Count; i++)
            if (gradients[i].Removed is null && numbers.TryGetValue(gradients[i].Name, out int unit)) gradients[i] = gradients[i] with { Removed = removed[unit] };
    }

    /// <summary>Records an edit.</summary>
    public void Applied(string pass, string target, string reason) => edits.Add(new(pass, target, true, reason));

    /// <summary>Records a refusal.</summary>
    public void Refused(string pass, string target, string reason) => edits.Add(new(pass, target, false, reason));

    /// <summary>Adds a warning or message for the user; one with the same text is added once.</summary>
    public void Report(Diagnostic diagnostic)
    {
        if (!diagnostics.Contains(diagnostic)) diagnostics.Add(diagnostic);
    }

    /// <summary>Elements of a quantized weight that are not zero as they are computed with; null for others.</summary>
    /// <param name="value">The value that held the weight before.</param>
    internal long? NonZeroCountOf(Value value) => LayerOf(value)?.NonZeroCount;

    /// <summary>The record of the weight that <paramref name="value"/> held originally; null when nobody has made one.</summary>
    internal LayerRecord? LayerOf(Value value) => layers.GetValueOrDefault(value);

    /// <summary>The record of the weight that <paramref name="value"/> held originally; made on first use.</summary>
    public LayerRecord Layer(Value value, Func<LayerRecord> make)
    {
        if (!layers.TryGetValue(value, out var record))
        {
            layers.Add(value, record = make());
            if (KeepsWeights && value.Uses.Count > 0 && value.TryGetConstant(out var weight)) record.Began = (weight, value.Uses[0]);
            layerOrder.Add(record);
        }

        return record;
    }
}
