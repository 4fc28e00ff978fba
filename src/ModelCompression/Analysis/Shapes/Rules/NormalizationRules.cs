using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Analysis.Shapes.Rules;

/// <summary>Normalizations and dropout, ONNX Runtime's fused forms included.</summary>
internal static class NormalizationRules
{
    public static void Register(RuleTable table)
    {
        table.Add(["InstanceNormalization", "LRN", "MeanVarianceNormalization", "GroupNormalization", "RMSNormalization"], n => n.Set(0, n.TypeOf(0)));
        table.Add(["GroupNorm", "SkipGroupNorm"], n => n.Set(0, n.TypeOf(0)), domain: RuleTable.Microsoft);
        table.Add("BatchNormalization", BatchNormalization);
        table.Add(["LayerNormalization", "SimplifiedLayerNormalization"], LayerNormalization);
        table.Add(["LayerNormalization", "SimplifiedLayerNormalization"], LayerNormalization, domain: RuleTable.Microsoft);
        table.Add(["SkipLayerNormalization", "SkipSimplifiedLayerNormalization"], SkipLayerNormalization, domain: RuleTable.Microsoft);
        table.Add("EmbedLayerNormalization", EmbedLayerNormalization, domain: RuleTable.Microsoft);
        // Up to opset 11 the mask has the input's type (6, 7) or is Boolean (10 on).
        table.Add("Dropout", n => Dropout(n, n.ElementOf(0)), until: 9);
        table.Add("Dropout", n => Dropout(n, DataType.Bool), since: 10);
        table.Add(["BiasDropout", "BitmaskDropout"], n => Dropout(n, DataType.Bool), domain: RuleTable.Microsoft);
    }

    private static void Dropout(NodeInference n, DataType mask)
    {
        n.Set(0, n.TypeOf(0));
        n.Set(1, mask, n.ShapeOf(0));
    }

    private static void BatchNormalization(NodeInference n)
    {
        n.Set(0, n.TypeOf(0));
        // Statistics (training): opset 14 on has two of the type of the mean, before four of the type of x.
        bool isNew = n.Opset >= 14;
        for (int i = 1; i < n.Node.Outputs.Count; i++)
            n.Set(i, isNew ? n.ElementOf(3) : n.ElementOf(0), n.ShapeOf(isNew ? 3 : 1) ?? new Shape(n.ShapeOf(0) is { Rank: >= 2 } x ? x[1] : default));
    }

    private static void LayerNormalization(NodeInference n)
    {
        n.Set(0, n.TypeOf(0));
        var statistics = ConversionRules.Numbered(n, "stash_type", DataType.Float);
        for (int i = 1; i < n.Node.Outputs.Count; i++) n.Set(i, statistics, default(Shape));
        if (n.ShapeOf(0) is not { Rank: > 0 } x) return;
        int axis = n.Axis("axis", -1, x.Rank);
        for (int i = 1; i < n.Node.Outputs.Count; i++) n.Set(i, statistics, x.Dimensions.Select((d, at) => at < axis ? d : 1));
    }

    private static void SkipLayerNormalization(NodeInference n)
    {
        n.Set(0, n.TypeOf(0));
        var statistics = n.ShapeOf(0) is { Rank: > 0 } x ? new Shape([.. x.Dimensions.SkipLast(1), 1]) : null;
        n.Set(1, DataType.Float, statistics);
        n.Set(2, DataType.Float, statistics);
        n.Set(3, n.TypeOf(0));
    }

    private static void EmbedLayerNormalization(NodeInference n)
    {
        // Inputs: ids, segment ids, word table, position table, segment table, gamma, beta.
        n.Set(0, n.ElementOf(2), default(Shape));
        var ids = n.RequireShape(0, 2);
        var table = n.RequireShape(2, 2);
        n.Set(0, n.ElementOf(2), [ids[0], ids[1], table[1]]);
        n.Set(1, DataType.Int32, [ids[0]]);
        n.Set(2, n.ElementOf(2), [ids[0], ids[1], table[1]]);
    }
}
