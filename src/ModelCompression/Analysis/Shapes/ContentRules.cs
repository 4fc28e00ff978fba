using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Analysis.Shapes;

/// <summary>Follows the content of small tensors through the operators that shape computations are made of.</summary>
internal static class ContentRules
{
    /// <summary>States what follows for the outputs from the partly known contents of the inputs.</summary>
    public static void Apply(NodeInference n)
    {
        if (!n.Node.IsOnnxDomain) return;
        if (n.Node.OpType == "Split") ContentLayout.Split(n);
        else if (n.Node.Output() is not null) n.SetContent(0, Evaluate(n));
    }

    private static Content? Evaluate(NodeInference n)
    {
        switch (n.Node.OpType)
        {
            case "Constant":
                return n.Bindings is not null && n.Attributes.TryGet("value", AttributeType.Tensor, out var value) ? Content.Read(value.Tensor) : null;
            case "Shape":
                return ShapeContent(n);
            case "Size":
                return n.ShapeOf(0) is { } shape ? Content.Scalar(Element.Of(n.Symbols.Product(shape.Dimensions))) : null;
            case "ConstantOfShape":
                return Filled(n);
            case "Range":
                return RangeContent(n);
            case "Where" when n.ContentOf(0) is { } condition:
                return ContentArithmetic.Broadcast([condition, Input(n, 1), Input(n, 2)], e => e[0].Number is not { } c ? default : c != 0 ? e[1] : e[2]);
        }

        if (n.ContentOf(0) is not { } x) return null;
        return n.Node.OpType switch
        {
            "Identity" => x,
            "Cast" => Cast(n, x),
            "Squeeze" or "Unsqueeze" or "Reshape" or "Flatten" => Reshaped(n, x),
            "Gather" => ContentLayout.Gather(n, x),
            "Slice" => ContentLayout.Slice(n, x),
            "Concat" => ContentLayout.Concat(n),
            "Transpose" => ContentLayout.Transpose(n, x),
            "Expand" or "Tile" when x.Elements.Length == 1 => Content.OfShape(OutputShape(n)) is { } target
                ? target with { Elements = [.. Enumerable.Repeat(x.Elements[0], target.Elements.Length)] } : null,
            "ReduceProd" or "ReduceSum" or "ReduceMax" or "ReduceMin" => ContentArithmetic.Reduce(n, x, OutputShape(n)),
            _ => ContentArithmetic.Elementwise(n, x),
        };
    }

    /// <summary>The content of an input, or one of its shape about which nothing is known.</summary>
    internal static Content? Input(NodeInference n, int index) => n.ContentOf(index) ?? Content.OfShape(n.ShapeOf(index));

    internal static Shape? OutputShape(NodeInference n) => (n.State.TypeOf(n.Node.Output()!) as TensorType)?.Shape;

    private static Content? ShapeContent(NodeInference n)
    {
        if (n.ShapeOf(0) is not { } shape) return null;
        var (start, count) = Rules.ReshapingRules.ShapeRange(n, shape.Rank);
        return Content.Vector(shape.Dimensions.Skip(start).Take(count).Select(d => (Amount)d));
    }

    private static Content? Filled(NodeInference n)
    {
        if (Content.OfShape(OutputShape(n)) is not { } target) return null;
        var value = n.Attributes.TryGet("value", AttributeType.Tensor, out var attribute) ? Content.Read(attribute.Tensor) : Content.Scalar(Element.OfNumber(0));
        return value is null ? null : target with { Elements = [.. Enumerable.Repeat(value.Elements.FirstOrDefault(), target.Elements.Length)] };
    }

    private static Content? RangeContent(NodeInference n)
    {
        if (OutputShape(n)?.ElementCount is not { } count || count > Content.MaxElementCount) return null;
        if (n.ContentOf(0)?.Elements[0].Integer is not { } start || n.ContentOf(2)?.Elements[0].Integer is not { } step) return null;
        return Content.Vector(Enumerable.Range(0, (int)count).Select(i => n.Symbols.Add(start, n.Symbols.Multiply(step, i))));
    }

    private static Content? Reshaped(NodeInference n, Content x) =>
        Content.OfShape(OutputShape(n)) is { } target && target.Elements.Length == x.Elements.Length ? target with { Elements = x.Elements } : null;

    private static Content? Cast(NodeInference n, Content x)
    {
        var to = (OutputShapeType(n) ?? DataType.Undefined);
        bool isInteger = to is DataType.Int64 or DataType.Int32 or DataType.Int16 or DataType.Int8 or DataType.UInt8 or DataType.UInt32 or DataType.UInt64;
        if (to == DataType.Bool) return x with { Elements = [.. x.Elements.Select(e => e.Number is { } v ? Element.OfNumber(v != 0 ? 1 : 0) : default)] };
        if (isInteger) return x with { Elements = [.. x.Elements.Select(e => e.Real is { } real ? Element.OfNumber(Math.Truncate(real)) : e)] };
        return to.IsFloatingPoint() ? x : null;
    }

    private static DataType? OutputShapeType(NodeInference n) => (n.State.TypeOf(n.Node.Output()!) as TensorType)?.ElementType;
}
