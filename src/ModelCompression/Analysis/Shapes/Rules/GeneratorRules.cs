using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Analysis.Shapes.Rules;

/// <summary>Operators that make tensors: constants, ranges, random numbers, windows.</summary>
internal static class GeneratorRules
{
    public static void Register(RuleTable table)
    {
        table.Add("Constant", Constant);
        table.Add("ConstantOfShape", ConstantOfShape);
        table.Add("Range", Range);
        table.Add("EyeLike", n => n.Set(0, ConversionRules.Numbered(n, "dtype", n.ElementOf(0)), n.ShapeOf(0)));
        table.Add(["RandomNormal", "RandomUniform"], n =>
            n.Set(0, ConversionRules.Numbered(n, "dtype", DataType.Float), (n.Attributes.Ints("shape") ?? throw n.Refuse("shape is missing")).Select(s => (Dimension)s)));
        table.Add(["RandomNormalLike", "RandomUniformLike"], n => n.Set(0, ConversionRules.Numbered(n, "dtype", n.ElementOf(0)), n.ShapeOf(0)));
        table.Add("Multinomial", n =>
            n.Set(0, ConversionRules.Numbered(n, "dtype", DataType.Int32), [n.ShapeOf(0) is { Rank: 2 } x ? x[0] : default, n.Attributes.Int("sample_size", 1)]));
        table.Add(["HannWindow", "HammingWindow", "BlackmanWindow"], n =>
            n.Set(0, ConversionRules.Numbered(n, "output_datatype", DataType.Float), [n.ContentOf(0)?.Elements.FirstOrDefault().Integer ?? default]));
        table.Add("MelWeightMatrix", n => n.Set(0, ConversionRules.Numbered(n, "output_datatype", DataType.Float),
            [n.Symbols.Add(n.Symbols.FloorDivide(Scalar(n, 1), 2), 1), Scalar(n, 0)]));
    }

    private static Dimension Scalar(NodeInference n, int input) => n.ContentOf(input)?.Elements.FirstOrDefault().Integer ?? default;

    private static void Constant(NodeInference n)
    {
        if (n.Node.Output() is { } output && output.TryGetConstant(out var tensor))
        {
            n.Set(0, tensor.DataType, Shape.Of(tensor.Dims));
            return;
        }

        // In a function the value may be the caller's attribute.
        if (n.Attributes.TryGet("value", AttributeType.Tensor, out var value)) n.Set(0, value.Tensor.DataType, Shape.Of(value.Tensor.Dims));
        else if (n.Attributes.TryGet("value_float", AttributeType.Float, out _)) n.Set(0, DataType.Float, Shape.Of());
        else if (n.Attributes.TryGet("value_int", AttributeType.Int, out _)) n.Set(0, DataType.Int64, Shape.Of());
        else if (n.Attributes.Floats("value_floats") is { } floats) n.Set(0, DataType.Float, Shape.Of(floats.Count));
        else if (n.Attributes.Ints("value_ints") is { } ints) n.Set(0, DataType.Int64, Shape.Of(ints.Count));
        else if (n.Attributes.TryGet("value_string", AttributeType.String, out _)) n.Set(0, DataType.String, Shape.Of());
        else if (n.Attributes.TryGet("value_strings", AttributeType.Strings, out var strings)) n.Set(0, DataType.String, Shape.Of(strings.Strings.Count));
        else if (n.Attributes.TryGet("sparse_value", AttributeType.SparseTensor, out var sparse))
            n.Set(0, sparse.SparseTensors[0].Values.DataType, Shape.Of([.. sparse.SparseTensors[0].Dims]));
        else n.Refuse("the constant has no value");
    }

    private static void ConstantOfShape(NodeInference n)
    {
        var element = n.Attributes.TryGet("value", AttributeType.Tensor, out var value) ? value.Tensor.DataType : DataType.Float;
        n.Set(0, element, default(Shape));
        if (n.ContentOf(0) is { } content) n.Set(0, element, content.Sizes);
        else if (n.ShapeOf(0) is { Rank: 1 } shape && shape[0].Size is { } rank and <= 64) n.Set(0, element, new Dimension[rank]);
        else n.RequireContent(0);
    }

    private static void Range(NodeInference n)
    {
        n.Set(0, n.ElementOf(0), new Dimension[1]);
        if (n.ContentOf(0) is not { } start || n.ContentOf(1) is not { } limit || n.ContentOf(2) is not { } delta) return;
        if (start.Elements[0].Number is { } from && limit.Elements[0].Number is { } to && delta.Elements[0].Number is { } by && by != 0)
            n.Set(0, n.ElementOf(0), [(Dimension)(long)Math.Max(0, Math.Ceiling((to - from) / by))]);
        else if (delta.Elements[0].Integer.Size is > 0 and var step && n.Symbols.Subtract(limit.Elements[0].Integer, start.Elements[0].Integer) is var span && n.Symbols.IsNonNegative(span))
            n.Set(0, n.ElementOf(0), [n.Symbols.CeilingDivide(span, step)]);
    }
}
