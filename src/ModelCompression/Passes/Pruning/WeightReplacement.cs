using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Pruning;

/// <summary>Exchanges the content of a stored weight.</summary>
internal static class WeightReplacement
{
    /// <summary>Stores <paramref name="tensor"/> where <paramref name="value"/> has its constant: an initializer or a <c>Constant</c> node.</summary>
    public static void Replace(Value value, Tensor tensor)
    {
        if (value.Producer is not { } constant)
        {
            value.Graph.SetInitializer(value, tensor);
            return;
        }

        foreach (string name in constant.Attributes.Select(a => a.Name).Where(n => n != "value").ToArray()) constant.RemoveAttribute(name);
        constant.SetAttribute(NodeAttribute.Of("value", tensor));
    }
}
