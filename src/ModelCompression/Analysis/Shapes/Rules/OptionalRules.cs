using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Analysis.Shapes.Rules;

/// <summary>Optional values.</summary>
internal static class OptionalRules
{
    public static void Register(RuleTable table)
    {
        table.Add("Optional", n => n.Set(0, new OptionalType(
            n.HasInput(0) ? n.TypeOf(0) : n.Attributes.TryGet("type", AttributeType.TypeProto, out var type) ? type.Types[0] : null)));
        table.Add("OptionalHasElement", n => n.Set(0, DataType.Bool, Shape.Of()));
        // Since opset 18 the input need not be an optional.
        table.Add("OptionalGetElement", n => n.Set(0, n.TypeOf(0) is OptionalType optional ? optional.Element : n.TypeOf(0)));
    }
}
