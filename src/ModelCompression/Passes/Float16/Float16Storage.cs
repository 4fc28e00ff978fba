using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Passes.Simplification;

namespace ModelCompression.Passes.Float16;

/// <summary>Writes a constant as binary16 that is converted back in front of its consumers.</summary>
internal static class Float16Storage
{
    /// <summary>From this IR version on an initializer that is listed as a graph input may be overridden by callers, and is therefore not folded.</summary>
    private const long OverridableInitializersIrVersion = 4;

    /// <summary>Exchanges the content of <paramref name="constant"/>, which keeps its name, and lets consumers take it through Cast.</summary>
    /// <param name="model">The model.</param>
    /// <param name="constant">An initializer or the output of a <c>Constant</c> node; no graph returns it.</param>
    /// <param name="rounded">Its new content.</param>
    /// <param name="uses">Those of its uses that want it converted back.</param>
    /// <param name="name">Wanted name of the value they get.</param>
    public static void Write(Model model, Value constant, Tensor rounded, IReadOnlyList<Use> uses, string name)
    {
        var graph = constant.Graph;
        ConstantStorage.Replace(constant, rounded);
        if (constant.IsGraphInput && model.IrVersion >= OverridableInitializersIrVersion) graph.RemoveInput(constant);
        int index = constant.Producer is { } producer ? graph.IndexOf(producer) + 1 : 0;
        var cast = graph.AddNode("Cast", [constant], [name], [NodeAttribute.Of("to", (long)DataType.Float)], index: index);
        foreach (var use in uses) use.Node.SetInput(use.Index, cast.Outputs[0]);
    }
}
