using System.Diagnostics.CodeAnalysis;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Simplification;

/// <summary>A graph together with what its nodes depend on: the model and the operator sets that hold there.</summary>
/// <param name="Model">The model.</param>
/// <param name="Graph">The main graph, a subgraph, or a function body or subgraph of one.</param>
/// <param name="Opsets">Operator sets of the model or of the function.</param>
/// <param name="IsFunction">True inside a function body, where attributes may be references and initializers do not exist.</param>
internal sealed record GraphScope(Model Model, OnnxGraph Graph, OpsetImports Opsets, bool IsFunction)
{
    /// <summary>All graphs of a model, outer ones first.</summary>
    public static IEnumerable<GraphScope> Of(Model model)
    {
        foreach (var graph in model.Graph.SelfAndSubgraphs()) yield return new(model, graph, model.OpsetImports, false);
        foreach (var function in model.Functions)
            foreach (var graph in function.Body.SelfAndSubgraphs())
                yield return new(model, graph, function.OpsetImports, true);
    }

    /// <summary>Version of the standard operator set.</summary>
    public long Opset => Opsets.Onnx;

    /// <summary>
    /// True if a caller may feed another value for the initializer: from IR 4 on, one that is also listed as a graph input is only a default.
    /// Such a value belongs to the model's interface and is no constant to any pass here.
    /// </summary>
    public static bool IsOverridable(Model model, Value value) => value.IsGraphInput && model.IrVersion >= 4;

    /// <summary>The constant behind a value, unless a caller may override it or it has no stored content.</summary>
    public bool TryGetFixed(Value? value, [NotNullWhen(true)] out Tensor? tensor)
    {
        tensor = null;
        if (value is null || IsOverridable(Model, value) || (value.Producer is { } producer && HasReferences(producer))) return false;
        return value.TryGetConstant(out tensor);
    }

    /// <summary>True if an attribute of the node stands for an attribute of the enclosing function, so that its value is not known here.</summary>
    public static bool HasReferences(Node node)
    {
        foreach (var attribute in node.Attributes)
            if (attribute.ReferencedName is not null) return true;
        return false;
    }
}
