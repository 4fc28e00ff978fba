using ModelCompression.Onnx.Graph;

namespace ModelCompression.Gradients.Rules;

/// <summary>Gemm and MatMul.</summary>
/// <remarks>Y = A·B: ∂A = ∂Y·Bᵀ, ∂B = Aᵀ·∂Y, summed over batch axes along which an operand was repeated. Gemm adds α, β and transposed operands.</remarks>
internal static class MatrixRules
{
    public static void AddTo(Dictionary<string, Action<NodeGradient>> rules)
    {
        rules["Gemm"] = Gemm;
        rules["MatMul"] = MatMul;
    }

    private static void Gemm(NodeGradient n)
    {
        float alpha = n.Attributes.Float("alpha", 1), beta = n.Attributes.Float("beta", 1);
        bool transA = n.Attributes.Int("transA", 0) != 0, transB = n.Attributes.Int("transB", 0) != 0;
        var dy = n.DY;
        bool isGiven = n.GiveInput(0, transA ? 0 : 1, 1, transB ? 1 : 0, () => transA ? Product(n.Emit, n.X(1), transB, dy, true, alpha) : Product(n.Emit, dy, false, n.X(1), !transB, alpha));
        if (!isGiven) n.GiveWeight(1, f => transA ? null : Factors(f, n, transB, alpha), () => transB ? Product(n.Emit, dy, true, n.X(0), transA, alpha) : Product(n.Emit, n.X(0), !transA, dy, false, alpha));
        if (n.Node.Input(2) is { } c) n.GiveIfNeeded(2, () => n.Emit.SumTo(n.Emit.Mul(dy, beta), n.Dims(n.Y()), n.Dims(c)));
    }

    private static Value Product(GradientEmitter emit, Value a, bool transA, Value b, bool transB, float alpha) => emit.Op(
        "Gemm", emit.Opset >= 11 ? [a, b] : [a, b, emit.Scalar(0)],
        NodeAttribute.Of("alpha", alpha), NodeAttribute.Of("transA", transA ? 1L : 0), NodeAttribute.Of("transB", transB ? 1L : 0));

    private static void MatMul(NodeGradient n)
    {
        var emit = n.Emit;
        long[] a = n.Dims(n.X(0)), b = n.Dims(n.X(1));
        // A vector is a row on the left and a column on the right.
        long[] a2 = a.Length == 1 ? [1, a[0]] : a, b2 = b.Length == 1 ? [b[0], 1] : b;
        long[] y = [.. BroadcastBatch(a2[..^2], b2[..^2]), a2[^2], b2[^1]];
        var dy = a.Length == 1 || b.Length == 1 ? emit.Reshape(n.DY, y) : n.DY;
        Value InputGradient() => Back(emit, emit.MatMul(dy, emit.TransposeLast(View(emit, n.X(1), b, b2), b2.Length)), [.. y[..^2], a2[^2], a2[^1]], a2, a);
        bool isGiven = n.GiveInput(0, a.Length - 1, 1, b.Length == 2 && a.Length >= 2 ? 0 : null, InputGradient);
        if (!isGiven) n.GiveWeight(1, f => b.Length == 2 && a.Length >= 2 ? Factors(f, n, false, 1) : null, () => RightOperand(n, dy, y, a, a2, b, b2));
    }

    /// <summary>∂B = Xᵀ·∂Y, or its transpose ∂Yᵀ·X, over all rows of X.</summary>
    private static FactorValues? Factors(FactorOutputs outputs, NodeGradient n, bool isTransposed, float alpha)
    {
        long[] x = n.Dims(n.X(0)), y = n.Dims(n.Y());
        int left = (int)(isTransposed ? y : x)[^1], right = (int)(isTransposed ? x : y)[^1];
        if (!outputs.SplitsMatrix(n.X(1), x[..^1].Aggregate(1L, (p, q) => p * q), left, right)) return null;
        return new(isTransposed ? (n.DY, y) : (n.X(0), x), isTransposed ? (n.X(0), x) : (n.DY, y), (a, b) => new MatrixFactors(a, b, left, right, alpha));
    }

    private static Value RightOperand(NodeGradient n, Value dy, long[] y, long[] a, long[] a2, long[] b, long[] b2)
    {
        var emit = n.Emit;
        var left = View(emit, n.X(0), a, a2);
        if (b2.Length == 2 && a2.Length > 2)
        {
            // The usual linear layer: one product over all rows instead of one per batch entry.
            long rows = a2[..^1].Aggregate(1L, (p, q) => p * q);
            var product = emit.MatMul(emit.Transpose(emit.Reshape(left, rows, a2[^1]), 1, 0), emit.Reshape(dy, rows, b2[1]));
            return View(emit, product, b2, b);
        }

        return Back(emit, emit.MatMul(emit.TransposeLast(left, a2.Length), dy), [.. y[..^2], b2[^2], b2[^1]], b2, b);
    }

    private static Value Back(GradientEmitter emit, Value gradient, long[] from, long[] matrix, long[] dims) => View(emit, emit.SumTo(gradient, from, matrix), matrix, dims);

    private static Value View(GradientEmitter emit, Value value, long[] from, long[] to) => from.Length == to.Length ? value : emit.Reshape(value, to);

    private static long[] BroadcastBatch(long[] a, long[] b)
    {
        int rank = Math.Max(a.Length, b.Length);
        var batch = new long[rank];
        for (int i = 0; i < rank; i++)
        {
            long p = i < rank - a.Length ? 1 : a[i - rank + a.Length], q = i < rank - b.Length ? 1 : b[i - rank + b.Length];
            batch[i] = p == 1 ? q : p;
        }

        return batch;
    }
}
