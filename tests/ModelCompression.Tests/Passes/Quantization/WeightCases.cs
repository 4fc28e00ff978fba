using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Tests.Passes.Simplification;

namespace ModelCompression.Tests.Passes.Quantization;

/// <summary>One operator with one or two quantizable weights.</summary>
/// <param name="Name">Name of the case.</param>
/// <param name="Build">Builds the model.</param>
/// <param name="Axes">Channel axes of each weight.</param>
internal sealed record WeightCase(string Name, Action<TestModel> Build, params int[][] Axes)
{
    /// <summary>The first opset with the operators of the case.</summary>
    public long Opset => Name.StartsWith("einsum", StringComparison.Ordinal) ? 12 : Name == "branches of an If" ? 11 : 7;

    /// <summary>Every operator and layout that the pass handles.</summary>
    public static IReadOnlyList<WeightCase> All { get; } =
    [
        new("conv", m => m.Output(m.Node("Conv", [m.Input("x", 1, 6, 7, 7), m.Weight("w", 20, 6, 3, 3), m.Weight("b", 20)])), [0]),
        new("conv, groups", m => m.Output(m.Node("Conv", [m.Input("x", 1, 8, 9), m.Weight("w", 36, 4, 5)], NodeAttribute.Of("group", 2L))), [0]),
        new("conv, depthwise", m => m.Output(m.Node("Conv", [m.Input("x", 1, 60, 7, 7), m.Weight("w", 60, 1, 3, 3)], NodeAttribute.Of("group", 60L))), [0]),
        new("conv transpose", m => m.Output(m.Node("ConvTranspose", [m.Input("x", 1, 16, 4, 4), m.Weight("w", 16, 24, 2, 2)])), [1]),
        new("conv transpose, groups", m => m.Output(m.Node("ConvTranspose", [m.Input("x", 1, 16, 5), m.Weight("w", 16, 20, 3)], NodeAttribute.Of("group", 2L))), [1]),
        new("gemm", m => m.Output(m.Node("Gemm", [m.Input("x", 3, 48), m.Weight("w", 48, 33), m.Weight("c", 33)])), [1]),
        new("gemm, transB", m => m.Output(m.Node("Gemm", [m.Input("x", 3, 48), m.Weight("w", 33, 48), m.Weight("c", 33)], NodeAttribute.Of("transB", 1L))), [0]),
        new("gemm, weight first", m => m.Output(m.Node("Gemm", [m.Weight("w", 33, 48), m.Input("x", 48, 3), m.Weight("c", 3)])), [0]),
        new("gemm, weight first, transA", m => m.Output(m.Node("Gemm", [m.Weight("w", 48, 33), m.Input("x", 48, 3), m.Weight("c", 3)], NodeAttribute.Of("transA", 1L))), [1]),
        new("matmul", m => m.Output(m.Node("MatMul", [m.Input("x", 2, 5, 64), m.Weight("w", 64, 70)])), [1]),
        new("matmul, batched", m => m.Output(m.Node("MatMul", [m.Input("x", 3, 5, 32), m.Weight("w", 3, 32, 41)])), [2]),
        new("matmul, weight first", m => m.Output(m.Node("MatMul", [m.Weight("w", 40, 64), m.Input("x", 64, 5)])), [0]),
        new("einsum", m => m.Output(m.Node("Einsum", [m.Input("x", 2, 5, 48), m.Weight("w", 48, 33)], NodeAttribute.Of("equation", "bsi,io->bso"))), [1]),
        new("einsum, channels first", m => m.Output(m.Node("Einsum", [m.Input("x", 2, 4, 12), m.Weight("w", 33, 4, 12)], NodeAttribute.Of("equation", "bhd,ohd->bo"))), [0]),
        new("einsum, heads", m => m.Output(m.Node("Einsum", [m.Weight("w", 32, 5, 9), m.Input("x", 2, 7, 32)], NodeAttribute.Of("equation", "ihd,bsi->bhsd"))), [1, 2]),
        new("einsum, batched", m => m.Output(m.Node("Einsum", [m.Input("x", 3, 5, 32), m.Weight("w", 3, 32, 41)], NodeAttribute.Of("equation", "nsi,nio->nso"))), [2]),
        new("gather", m => m.Output(m.Node("Gather", [m.Weight("w", 90, 24), m.Input("i", DataType.Int64, 2, 3)])), [0]),
        new("lstm, both directions", m => m.Output(m.Node("LSTM", [m.Input("x", 5, 1, 12), m.Weight("w", 2, 32, 12), m.Weight("r", 2, 32, 8)], NodeAttribute.Of("hidden_size", 8L), NodeAttribute.Of("direction", "bidirectional"))), [0, 1], [0, 1]),
        new("gru", m => m.Output(m.Node("GRU", [m.Input("x", 5, 1, 12), m.Weight("w", 1, 30, 12), m.Weight("r", 1, 30, 10)], NodeAttribute.Of("hidden_size", 10L))), [0, 1], [0, 1]),
        new("rnn", m => m.Output(m.Node("RNN", [m.Input("x", 5, 1, 32), m.Weight("w", 1, 16, 32), m.Weight("r", 1, 16, 16)], NodeAttribute.Of("hidden_size", 16L))), [0, 1], [0, 1]),
        new("branches of an If", BuildIf, [0], [0]),
    ];

    private static void BuildIf(TestModel m)
    {
        var x = m.Input("x", 1, 8, 9);
        var condition = m.Constant("c", Tensor.Create(DataType.Bool, [], new byte[] { 1 }));
        var flag = m.Node("Not", [m.Node("Not", [condition])]);
        var branches = new List<NodeAttribute>();
        foreach (string name in new[] { "then_branch", "else_branch" })
        {
            var branch = m.Subgraph(name);
            branch.Output(branch.Node("Conv", [x, branch.Weight("w_" + name, 24, 8, 3)]));
            branches.Add(NodeAttribute.Of(name, branch.Graph));
        }

        m.Output(m.Node("If", [flag], [.. branches]));
    }
}
