using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Analysis.Shapes.Rules;

/// <summary>Operators that change the element type and keep the shape.</summary>
internal static class ConversionRules
{
    public static void Register(RuleTable table)
    {
        table.Add("Cast", n => n.Set(0, Named(n), n.ShapeOf(0)), until: 5);
        table.Add("Cast", n => n.Set(0, Numbered(n, "to", DataType.Undefined), n.ShapeOf(0)), since: 6);
        table.Add("CastLike", n => n.Set(0, n.ElementOf(1), n.ShapeOf(0)));
        table.Add("BitCast", BitCast);
        table.Add("Bernoulli", n => n.Set(0, Numbered(n, "dtype", n.ElementOf(0)), n.ShapeOf(0)));
    }

    /// <summary>An attribute that holds a data type number.</summary>
    public static DataType Numbered(NodeInference n, string attribute, DataType defaultType)
    {
        var type = (DataType)n.Attributes.Int(attribute, (long)defaultType);
        return type == DataType.Undefined || type.IsKnown() ? type : throw n.Refuse($"attribute '{attribute}' is not a data type");
    }

    private static DataType Named(NodeInference n) => n.Attributes.Text("to", "").ToUpperInvariant() switch
    {
        "FLOAT" => DataType.Float,
        "DOUBLE" => DataType.Double,
        "FLOAT16" => DataType.Float16,
        "INT64" => DataType.Int64,
        "INT32" => DataType.Int32,
        "INT16" => DataType.Int16,
        "INT8" => DataType.Int8,
        "UINT8" => DataType.UInt8,
        "UINT16" => DataType.UInt16,
        "UINT32" => DataType.UInt32,
        "UINT64" => DataType.UInt64,
        "BOOL" => DataType.Bool,
        "STRING" => DataType.String,
        string other => throw n.Refuse($"attribute 'to' names no data type: '{other}'"),
    };

    private static void BitCast(NodeInference n)
    {
        var to = Numbered(n, "to", DataType.Undefined);
        n.Set(0, to, to.BitWidth() == n.ElementOf(0).BitWidth() ? n.ShapeOf(0) : null);
    }
}
