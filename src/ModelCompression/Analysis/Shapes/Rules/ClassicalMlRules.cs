using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Analysis.Shapes.Rules;

/// <summary>The classical machine learning domain, <c>ai.onnx.ml</c>.</summary>
internal static class ClassicalMlRules
{
    public static void Register(RuleTable table)
    {
        table.Add(["Scaler", "Normalizer", "Imputer", "Binarizer"], KeepShape, domain: RuleTable.Ml);
        table.Add(["TreeEnsembleClassifier", "LinearClassifier", "SVMClassifier"], Classify, domain: RuleTable.Ml);
        table.Add("TreeEnsembleRegressor", n => SetRows(n, n.Attributes.Int("n_targets", 1)), domain: RuleTable.Ml);
        table.Add("TreeEnsemble", n => SetRows(n, n.Attributes.Int("n_targets", 1), n.ElementOf(0)), domain: RuleTable.Ml);
        table.Add("LinearRegressor", n => SetRows(n, n.Attributes.Int("targets", 1)), domain: RuleTable.Ml);
        table.Add("SVMRegressor", n => SetRows(n, 1), domain: RuleTable.Ml);
        table.Add("ZipMap", ZipMap, domain: RuleTable.Ml);
        table.Add("ArrayFeatureExtractor", ExtractFeatures, domain: RuleTable.Ml);
        table.Add("FeatureVectorizer", VectorizeFeatures, domain: RuleTable.Ml);
        table.Add("LabelEncoder", n => n.Set(0, LabelType(n), n.ShapeOf(0)), domain: RuleTable.Ml);
        table.Add("CategoryMapper", n => n.Set(0, n.ElementOf(0) == DataType.String ? DataType.Int64 : DataType.String, n.ShapeOf(0)), domain: RuleTable.Ml);
        table.Add("OneHotEncoder", EncodeOneHot, domain: RuleTable.Ml);
        table.Add("DictVectorizer", n => n.Set(0, (n.TypeOf(0) as MapType)?.Value is TensorType t ? t.ElementType : DataType.Float,
            [1, Count(n, "int64_vocabulary") ?? Count(n, "string_vocabulary") ?? default]), domain: RuleTable.Ml);
        table.Add("CastMap", n => n.Set(0, n.Attributes.Text("cast_to", "TO_FLOAT") switch
        {
            "TO_STRING" => DataType.String,
            "TO_INT64" => DataType.Int64,
            _ => DataType.Float,
        }, [1, n.Attributes.Text("map_form", "DENSE") == "SPARSE" ? n.Attributes.Int("max_map", 1) : default(Dimension)]), domain: RuleTable.Ml);
    }

    private static void KeepShape(NodeInference n)
    {
        // Scaler and Normalizer yield floats from any number; the others keep the type.
        bool isFloat = n.Node.OpType is "Scaler" or "Normalizer";
        n.Set(0, isFloat ? DataType.Float : n.ElementOf(0), n.ShapeOf(0));
    }

    private static Dimension Rows(NodeInference n) => n.ShapeOf(0) is not { } x ? default : x.Rank >= 2 ? x[0] : 1;

    private static void SetRows(NodeInference n, long columns, DataType element = DataType.Float) => n.Set(0, element, [Rows(n), columns]);

    private static Dimension? Count(NodeInference n, string attribute)
    {
        if (n.Attributes.Ints(attribute) is { Count: > 0 } ints) return ints.Count;
        return n.Attributes.TryGet(attribute, AttributeType.Strings, out var strings) && strings.Strings.Count > 0 ? strings.Strings.Count : null;
    }

    /// <summary>Output 0: labels [rows]; output 1: scores [rows, classes].</summary>
    private static void Classify(NodeInference n)
    {
        var names = Count(n, "classlabels_strings");
        var numbers = Count(n, "classlabels_int64s") ?? Count(n, "classlabels_ints");
        var rows = Rows(n);
        n.Set(0, names is not null ? DataType.String : DataType.Int64, [rows]);
        var classes = names ?? numbers ?? default;
        n.Set(1, DataType.Float, [rows, classes.Size == 1 ? default : classes]);
    }

    private static void ZipMap(NodeInference n)
    {
        var key = Count(n, "classlabels_strings") is not null ? DataType.String : DataType.Int64;
        n.Set(0, new SequenceType(new MapType(key, new TensorType(DataType.Float, Shape.Of()))));
    }

    private static void ExtractFeatures(NodeInference n)
    {
        n.Set(0, n.ElementOf(0), default(Shape));
        var x = n.RequireShape(0, 1);
        var indices = n.ShapeOf(1);
        Dimension count = indices is null ? default : n.Symbols.Product(indices.Dimensions);
        n.Set(0, n.ElementOf(0), x.Rank == 1 ? [1, count] : [.. x.Dimensions.SkipLast(1), count]);
    }

    private static void VectorizeFeatures(NodeInference n) =>
        n.Set(0, DataType.Float, [Rows(n), n.Attributes.Ints("inputdimensions") is { } sizes ? sizes.Sum() : default(Dimension)]);

    private static DataType LabelType(NodeInference n)
    {
        if (n.Attributes.TryGet("values_tensor", AttributeType.Tensor, out var tensor)) return tensor.Tensor.DataType;
        if (n.Attributes.Has("values_int64s")) return DataType.Int64;
        if (n.Attributes.Has("values_floats")) return DataType.Float;
        if (n.Attributes.Has("values_strings")) return DataType.String;
        // Version 1 maps strings to numbers and back.
        return n.ElementOf(0) == DataType.String ? DataType.Int64 : DataType.String;
    }

    private static void EncodeOneHot(NodeInference n)
    {
        var categories = Count(n, "cats_int64s") ?? Count(n, "cats_strings") ?? default;
        n.Set(0, DataType.Float, n.ShapeOf(0) is { } x ? new Shape([.. x.Dimensions, categories]) : null);
    }
}
