using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Analysis.Shapes.Rules;

/// <summary>Attention layers.</summary>
internal static class AttentionRules
{
    public static void Register(RuleTable table)
    {
        table.Add("Attention", ScaledDotProduct);
        table.Add("RotaryEmbedding", n => n.Set(0, n.TypeOf(0)));
        table.Add("RotaryEmbedding", n => n.Set(0, n.TypeOf(0)), domain: RuleTable.Microsoft);
        table.Add(["Attention", "QAttention"], Projected, domain: RuleTable.Microsoft);
        table.Add("MultiHeadAttention", MultiHead, domain: RuleTable.Microsoft);
        table.Add("GroupQueryAttention", GroupQuery, domain: RuleTable.Microsoft);
    }

    /// <summary>ONNX opset 23: Q, K, V of rank 4 [B, heads, S, D], or of rank 3 with heads folded into the last axis.</summary>
    private static void ScaledDotProduct(NodeInference n)
    {
        for (int i = 0; i < n.Node.Outputs.Count; i++) n.Set(i, n.ElementOf(i is 1 or 2 ? i : 0), default(Shape));
        var q = n.RequireShape(0, 3);
        var k = n.RequireShape(1, 3);
        var v = n.RequireShape(2, 3);
        bool isFolded = q.Rank == 3;
        Dimension heads = isFolded ? n.Attributes.Int("q_num_heads", 0) : q[1];
        Dimension kvHeads = isFolded ? n.Attributes.Int("kv_num_heads", 0) : k[1];
        if (heads.Size == 0 || kvHeads.Size == 0) throw n.Refuse("the numbers of heads are missing");
        Dimension keySize = isFolded ? n.Symbols.FloorDivide(k[2], kvHeads) : k[3];
        Dimension valueSize = isFolded ? n.Symbols.FloorDivide(v[2], kvHeads) : v[3];
        Dimension steps = q[isFolded ? 1 : 2];
        Dimension total = n.Symbols.Add(k[isFolded ? 1 : 2], n.ShapeOf(4) is { Rank: 4 } past ? past[2] : (Amount)0);
        n.Set(0, n.ElementOf(0), isFolded ? [q[0], steps, n.Symbols.Multiply(heads, valueSize)] : [q[0], heads, steps, valueSize]);
        n.Set(1, n.ElementOf(1), [q[0], kvHeads, total, keySize]);
        n.Set(2, n.ElementOf(2), [q[0], kvHeads, total, valueSize]);
        n.Set(3, n.ElementOf(0), [q[0], heads, steps, total]);
    }

    /// <summary>X [B, S, I] times weights [I, 3·H]: output [B, S, H], present state [2, B, heads, total, H/heads].</summary>
    private static void Projected(NodeInference n)
    {
        bool isQuantized = n.Node.OpType == "QAttention";
        var element = isQuantized ? n.ElementOf(3) : n.ElementOf(0);
        n.Set(0, element, default(Shape));
        n.Set(1, element, default(Shape));
        var x = n.RequireShape(0, 3);
        var sizes = n.Attributes.Ints("qkv_hidden_sizes");
        var projected = n.ShapeOf(1) is { Rank: 2 } weight ? weight[1] : default;
        Dimension hidden = sizes is { Count: 3 } ? sizes[2] : n.Symbols.FloorDivide(projected, 3);
        n.Set(0, element, [x[0], x[1], hidden]);
        long heads = n.Attributes.Int("num_heads", 0);
        var past = n.ShapeOf(isQuantized ? 8 : 4);
        Dimension total = past is { Rank: 5 } ? n.Symbols.Add(past[3], x[1]) : x[1];
        n.Set(1, element, [2, x[0], heads > 0 ? heads : default(Dimension), total, heads > 0 ? n.Symbols.FloorDivide(hidden, heads) : default(Amount)]);
    }

    /// <summary>Inputs: query, key, value, bias, key padding mask, attention bias, past key, past value.</summary>
    private static void MultiHead(NodeInference n)
    {
        for (int i = 0; i < n.Node.Outputs.Count; i++) n.Set(i, n.ElementOf(0), default(Shape));
        var q = n.RequireShape(0, 3);
        long heads = n.Attributes.Int("num_heads", 0);
        if (q.Rank == 5)
        {
            // Packed [B, S, heads, 3, D].
            n.Set(0, n.ElementOf(0), [q[0], q[1], n.Symbols.Multiply(q[2], q[4])]);
            return;
        }

        var v = n.ShapeOf(2);
        Dimension hidden = v is null ? q[2] : v.Rank == 4 ? n.Symbols.Multiply(v[1], v[3]) : v[2];
        n.Set(0, n.ElementOf(0), [q[0], q[1], hidden]);
        if (heads <= 0) return;
        var steps = n.ShapeOf(1) is { } k ? k.Rank == 3 ? k[1] : k.Rank == 4 ? k[2] : default : q[1];
        Dimension total = n.ShapeOf(6) is { Rank: 4 } past ? n.Symbols.Add(past[2], steps) : steps;
        n.Set(1, n.ElementOf(0), [q[0], heads, total, n.Symbols.FloorDivide(q[2], heads)]);
        n.Set(2, n.ElementOf(0), [q[0], heads, total, n.Symbols.FloorDivide(hidden, heads)]);
    }

    /// <summary>Inputs: query, key, value, past key, past value, sequence lengths, total length.</summary>
    private static void GroupQuery(NodeInference n)
    {
        for (int i = 0; i < n.Node.Outputs.Count; i++) n.Set(i, n.ElementOf(0), default(Shape));
        var q = n.RequireShape(0, 3);
        long heads = n.Attributes.Int("num_heads", 0), kvHeads = n.Attributes.Int("kv_num_heads", 0);
        if (heads <= 0 || kvHeads <= 0) throw n.Refuse("the numbers of heads are missing");
        // Without a key, query, key and value are packed side by side.
        Dimension size = n.HasInput(1) ? n.Symbols.FloorDivide(q[2], heads) : n.Symbols.FloorDivide(q[2], heads + (2 * kvHeads));
        n.Set(0, n.ElementOf(0), [q[0], q[1], n.Symbols.Multiply(size, heads)]);
        // The cache may be longer than past and present together when the caller shares its buffer.
        n.Set(1, n.ElementOf(0), [q[0], kvHeads, default, size]);
        n.Set(2, n.ElementOf(0), [q[0], kvHeads, default, size]);
    }
}
