using ModelCompression.Onnx.Graph;
using ModelCompression.Options;

namespace ModelCompression.Passes.Conversion;

/// <summary>Raises the IR version of models below opset 9 to 4, from which on initializers need not be graph inputs.</summary>
/// <remarks>
/// Below IR 4 new constants would have to be listed as inputs or lie in <c>Constant</c> nodes, which before opset 9 yield floats only by specification (https://github.com/onnx/onnx/blob/main/docs/Changelog.md#Constant-1).
/// The inputs of a session stay the same, and so does the opset.
/// </remarks>
public sealed class RaiseIrVersion : ModelPass
{
    /// <summary>The first opset whose <c>Constant</c> yields integers.</summary>
    private const long IntegerConstantOpset = 9;

    private const long FreeInitializersIrVersion = 4;

    /// <inheritdoc/>
    protected override void Apply(Model model, CompressionSettings settings, PassLog log)
    {
        if (model.IrVersion >= FreeInitializersIrVersion || model.OpsetImports.Onnx >= IntegerConstantOpset) return;
        log.Applied(Name, model.Graph.Name, FormattableString.Invariant($"IR version {model.IrVersion} -> {FreeInitializersIrVersion}: integer constants cannot be stored otherwise below opset {IntegerConstantOpset}"));
        To(model, FreeInitializersIrVersion);
    }

    /// <summary>Raises the version of a model to at least <paramref name="version"/>, which is 4 or later.</summary>
    internal static void To(Model model, long version)
    {
        // Up to IR 3 every initializer is listed as an input; from IR 4 on that would let callers override it.
        if (model.IrVersion < FreeInitializersIrVersion)
            foreach (var graph in model.Graph.SelfAndSubgraphs())
                foreach (var initializer in graph.Initializers) graph.RemoveInput(initializer);
        model.IrVersion = Math.Max(model.IrVersion, version);
    }
}
