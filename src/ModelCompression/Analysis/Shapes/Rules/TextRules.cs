using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Analysis.Shapes.Rules;

/// <summary>Operators on strings.</summary>
internal static class TextRules
{
    public static void Register(RuleTable table)
    {
        table.Add("StringConcat", n => ElementwiseRules.SetBroadcast(n, DataType.String, 2));
        table.Add("RegexFullMatch", n => n.Set(0, DataType.Bool, n.ShapeOf(0)));
        table.Add("StringSplit", n =>
        {
            n.Set(0, DataType.String, n.ShapeOf(0) is { } x ? new Shape([.. x.Dimensions, default]) : null);
            n.Set(1, DataType.Int64, n.ShapeOf(0));
        });
        // Stop words may be removed: only without them the last size stays.
        table.Add("StringNormalizer", n =>
        {
            bool keepsSize = !n.Attributes.Has("stopwords");
            n.Set(0, DataType.String, n.ShapeOf(0) is { Rank: > 0 } x ? new Shape([.. x.Dimensions.SkipLast(1), keepsSize ? x[-1] : default]) : null);
        });
        table.Add("TfIdfVectorizer", n =>
        {
            n.Set(0, DataType.Float, default(Shape));
            var x = n.RequireShape(0, 1);
            long width = (n.Attributes.Ints("ngram_indexes") ?? throw n.Refuse("ngram_indexes are missing")).DefaultIfEmpty(-1).Max() + 1;
            n.Set(0, DataType.Float, [.. x.Dimensions.SkipLast(1), width]);
        });
        table.Add("Tokenizer", n => n.Set(0, DataType.String, n.ShapeOf(0) is { } x ? new Shape([.. x.Dimensions, default]) : null), domain: RuleTable.Microsoft);
    }
}
