using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Simplification;

/// <summary>Writes constants where the format wants them.</summary>
internal static class ConstantStorage
{
    /// <summary>Exchanges the content of an initializer or a <c>Constant</c> node in place, for all consumers.</summary>
    public static void Replace(Value value, Tensor tensor)
    {
        value.SetConstant(tensor);
        value.Type = new TensorType(tensor.DataType, Shape.Of(tensor.Dims));
    }

    /// <summary>
    /// Adds a constant that nodes from <paramref name="position"/> on can use: an initializer; listed as an input too where IR 3 asks for it; a
    /// <c>Constant</c> node where initializers do not exist (functions) or would have to be listed as inputs of a subgraph.
    /// </summary>
    public static Value Add(GraphScope scope, string name, Tensor tensor, Node position)
    {
        var graph = scope.Graph;
        if (scope.IsFunction || (scope.Model.IrVersion < 4 && graph != scope.Model.Graph)) return AddNode(scope, name, tensor, position);
        if (scope.Model.IrVersion >= 4) return graph.AddInitializer(name, tensor);
        var value = graph.AddInput(graph.NewName(name), null);
        graph.SetInitializer(value, tensor);
        return value;
    }

    /// <summary>Removes a constant that has lost its last use, unless it belongs to the model's interface.</summary>
    public static void RemoveUnused(Model model, Value value)
    {
        if (!value.IsUnused || value.IsReferencedByName || GraphScope.IsOverridable(model, value)) return;
        if (value.Producer is { } node) value.Graph.RemoveNode(node);
        else value.Graph.RemoveInitializer(value);
    }

    /// <summary>Adds a <c>Constant</c> node before <paramref name="position"/>.</summary>
    public static Value AddNode(GraphScope scope, string name, Tensor tensor, Node position)
    {
        var value = scope.Graph.InsertBefore(position, "Constant", [], name, NodeAttribute.Of("value", tensor));
        value.Type = new TensorType(tensor.DataType, Shape.Of(tensor.Dims));
        return value;
    }
}
