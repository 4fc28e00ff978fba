using ModelCompression.Onnx.Graph;
using ModelCompression.Options;

namespace ModelCompression.Passes.Simplification;

/// <summary>Shortens the names inside a model: <c>InnerNames=Auto</c>. In small models of many layers they take more bytes than anything but the weights.</summary>
/// <remarks>
/// <para>Values get the shortest free names. Names of the model's inputs and outputs, of initializers that are inputs, and what the file refers to by name elsewhere (annotations, texts of
/// attributes and metadata) stay. Names of nodes lose only the path that they all begin with, so that profiles and reports still name the same layers.</para>
/// <para>Declared types of inner values go where shape inference gives the same from the rest of the model.</para>
/// <para>Nothing is done for less than 4 KB, unless it is 1 KB and 0.5 % of the model as it was read, or for less than 0.125 %. Outputs are the same.</para>
/// </remarks>
public sealed class ShortenNames : ModelPass
{
    /// <inheritdoc/>
    protected override void Apply(Model model, CompressionSettings settings, PassLog log)
    {
        if (Plan(model, settings) is not { } plan) return;
        plan.Apply();
        log.Applied(Name, "model", FormattableString.Invariant($"{plan.Values.Count} values have short names, {plan.Nodes.Count} nodes lost the path that their names share, {plan.Undeclared.Count} declared types that follow from the rest are left out: {plan.SavedByteLength} bytes"));
    }

    /// <summary>What the pass would do to a model as it is now; null for nothing.</summary>
    internal static NameShortening? Plan(Model model, CompressionSettings settings) =>
        settings.Model.InnerNames == InnerNames.Keep ? null : NameShortening.Of(model);
}
