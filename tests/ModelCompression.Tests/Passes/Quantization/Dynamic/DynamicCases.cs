using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Tests.Passes.Simplification;

namespace ModelCompression.Tests.Passes.Quantization.Dynamic;

/// <summary>Models of one input x each whose product ONNX Runtime can compute with integers.</summary>
/// <param name="Name">Name of the case.</param>
/// <param name="Build">Builds the model.</param>
/// <param name="Input">Shape of x.</param>
/// <param name="Axes">Channel axes of each weight.</param>
internal sealed record DynamicCase(string Name, Action<TestModel, Value> Build, long[] Input, params int[][] Axes)
{
    public static IReadOnlyList<DynamicCase> All { get; } =
    [
        new("matmul", (m, x) => m.Output(m.Node("MatMul", [x, m.Weight("w", 64, 70)])), [2, 5, 64], [1]),
        new("matmul, vector", (m, x) => m.Output(m.Node("MatMul", [x, m.Weight("w", 64, 70)])), [64], [1]),
        new("matmul, batched", (m, x) => m.Output(m.Node("MatMul", [x, m.Weight("w", 3, 32, 41)])), [3, 5, 32], [2]),
        new("gemm", (m, x) => m.Output(m.Node("Gemm", [x, m.Weight("w", 48, 33), m.Weight("c", 33)])), [3, 48], [1]),
        new("gemm, no summand", (m, x) => m.Output(m.Node("Gemm", [x, m.Weight("w", 48, 33), .. m.Model.OpsetImports.Onnx < 11 ? new[] { m.Weight("c", 1) } : []])), [3, 48], [1]),
        new("gemm, transB", (m, x) => m.Output(m.Node("Gemm", [x, m.Weight("w", 33, 48), m.Weight("c", 1, 33)], NodeAttribute.Of("transB", 1L))), [3, 48], [0]),
        new("gemm, all attributes", (m, x) => m.Output(m.Node("Gemm", [x, m.Weight("w", 33, 48), m.Weight("c", 3, 1)], NodeAttribute.Of("transA", 1L), NodeAttribute.Of("transB", 1L), NodeAttribute.Of("alpha", 0.3f), NodeAttribute.Of("beta", -2.5f))), [48, 3], [0]),
        new("gemm, beta 0", (m, x) => m.Output(m.Node("Gemm", [x, m.Weight("w", 48, 33), m.Weight("c", 33)], NodeAttribute.Of("beta", 0f))), [3, 48], [1]),
        new("gemm, computed summand", BuildComputedSummand, [3, 48], [1]),
        new("two products of one activation", (m, x) => m.Output(m.Node("MatMul", [x, m.Weight("v", 40, 40)]), m.Node("MatMul", [x, m.Weight("w", 40, 40)])), [4, 40], [1], [1]),
        new("branches of an If", BuildIf, [6, 40], [1], [1]),
    ];

    public TestModel Make(long opset)
    {
        var model = new TestModel(opset);
        Build(model, model.Input("x", Input));
        return model;
    }

    private static void BuildComputedSummand(TestModel m, Value x)
    {
        var w = m.Weight("w", 48, 33);
        m.Output(m.Node("Gemm", [x, w, m.Node("Neg", [m.Node("Abs", [m.Weight("c", 33)])])], NodeAttribute.Of("beta", 0.5f)));
    }

    /// <summary>Both branches take an activation from outside; the weights lie in one branch and outside.</summary>
    private static void BuildIf(TestModel m, Value x)
    {
        var condition = m.Constant("c", Tensor.Create(DataType.Bool, [], new byte[] { 1 }));
        var outer = m.Weight("outer", 40, 24);
        var flag = m.Node("Not", [m.Node("Not", [condition])]);
        var branches = new List<NodeAttribute>();
        foreach (string name in new[] { "then_branch", "else_branch" })
        {
            var branch = m.Subgraph(name);
            branch.Output(branch.Node("MatMul", [x, name == "then_branch" ? branch.Weight("inner", 40, 24) : outer]));
            branches.Add(NodeAttribute.Of(name, branch.Graph));
        }

        m.Output(m.Node("If", [flag], [.. branches]));
    }
}
