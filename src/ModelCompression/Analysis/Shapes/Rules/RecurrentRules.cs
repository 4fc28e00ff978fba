using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Analysis.Shapes.Rules;

/// <summary>Recurrent layers.</summary>
internal static class RecurrentRules
{
    public static void Register(RuleTable table)
    {
        table.Add(["RNN", "GRU", "LSTM"], n => Recur(n, n.ShapeOf(2) is { Rank: 3 } r ? r[2] : default));
        table.Add("DynamicQuantizeLSTM", n => Recur(n, n.ShapeOf(2) is { Rank: 3 } r ? r[1] : default), domain: RuleTable.Microsoft);
    }

    private static void Recur(NodeInference n, Dimension hiddenOfWeight)
    {
        for (int i = 0; i < n.Node.Outputs.Count; i++) n.Set(i, n.ElementOf(0), default(Shape));
        var x = n.RequireShape(0, 3);
        Dimension hidden = n.Attributes.Int("hidden_size", 0) is > 0 and var stated ? stated : hiddenOfWeight;
        Dimension directions = n.Attributes.Text("direction", "forward") == "bidirectional" ? 2 : 1;
        bool isBatchFirst = n.Attributes.Int("layout", 0) != 0;
        Dimension batch = x[isBatchFirst ? 0 : 1], steps = x[isBatchFirst ? 1 : 0];
        n.Set(0, n.ElementOf(0), isBatchFirst ? [batch, steps, directions, hidden] : [steps, directions, batch, hidden]);
        for (int i = 1; i < n.Node.Outputs.Count; i++)
            n.Set(i, n.ElementOf(0), isBatchFirst ? [batch, directions, hidden] : [directions, batch, hidden]);
    }
}
