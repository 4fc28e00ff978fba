using ModelCompression.Analysis;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Runtime;

namespace ModelCompression.Tests.Analysis;

/// <summary>Operators outside the standard domain, which the conformance models do not have: rules against a run.</summary>
[TestClass]
public sealed class ContributedOperatorTests
{
    private static readonly Dictionary<string, Func<Model, Node>> Cases = new(StringComparer.Ordinal)
    {
        ["SkipLayerNormalization"] = m => Microsoft(m, "SkipLayerNormalization", [m.Input("x", 2, 3, 8), m.Input("s", 2, 3, 8), m.Floats("g", 8), m.Floats("b", 8)], ["y", "", "", "sum"]),
        ["MatMulNBits"] = m => Microsoft(m, "MatMulNBits", [m.Input("x", "B", 5, 64), Codes(m, DataType.UInt8, 32, 2, 16), m.Floats("s", 64)], ["y"], Int("K", 64), Int("N", 32), Int("bits", 4), Int("block_size", 32)),
        ["FusedMatMul"] = m => Microsoft(m, "FusedMatMul", [m.Input("x", 2, 6, 5), m.Floats("w", 2, 6, 4)], ["y"], Int("transA", 1), NodeAttribute.Of("alpha", 0.5f)),
        ["FusedConv"] = m => Microsoft(m, "FusedConv", [m.Input("x", "N", 3, 9, 9), m.Floats("w", 8, 3, 3, 3), m.Floats("b", 8)], ["y"], NodeAttribute.Of("activation", "Relu"), NodeAttribute.Of("strides", 2L, 2)),
        ["BiasGelu"] = m => Microsoft(m, "BiasGelu", [m.Input("x", 2, 8), m.Floats("b", 8)], ["y"]),
        ["Gelu"] = m => Microsoft(m, "Gelu", [m.Input("x", "N", 8)], ["y"]),
        ["Attention"] = m => Microsoft(m, "Attention", [m.Input("x", "B", "S", 16), m.Floats("w", 16, 48), m.Floats("b", 48)], ["y"], Int("num_heads", 4)),
        ["MultiHeadAttention"] = m => Microsoft(m, "MultiHeadAttention", [m.Input("q", 1, 3, 16), m.Input("k", 1, 5, 16), m.Input("v", 1, 5, 16)], ["y"], Int("num_heads", 4)),
        ["DynamicQuantizeMatMul"] = m => Microsoft(m, "DynamicQuantizeMatMul", [m.Input("x", "N", 8), m.Bytes("w", 8, 4), m.Floats("s", 1)], ["y"]),
        ["DynamicQuantizeLSTM"] = m => Microsoft(m, "DynamicQuantizeLSTM",
            [m.Input("x", "T", 2, 6), m.Bytes("w", 1, 6, 20), m.Bytes("r", 1, 5, 20), null, null, null, null, null, m.Floats("ws", 1), Zero(m, 1), m.Floats("rs", 1), Zero(m, 1)], ["y", "h", "c"], Int("hidden_size", 5)),
        ["QLinearAdd"] = m =>
        {
            var (q, s, z) = Quantized(m, m.Input("x", "N", 4));
            return Microsoft(m, "QLinearAdd", [q, s, z, q, s, z, s, z], ["y"]);
        },
        ["QLinearGlobalAveragePool"] = m =>
        {
            var (q, s, z) = Quantized(m, m.Input("x", "N", 4, 6, 6));
            return Microsoft(m, "QLinearGlobalAveragePool", [q, s, z, s, z], ["y"]);
        },
        ["QAttention"] = m =>
        {
            var (q, s, z) = Quantized(m, m.Input("x", "B", 3, 8));
            return Microsoft(m, "QAttention", [q, m.Bytes("w", 8, 24), m.Floats("b", 24), s, m.Graph.AddInitializer("ws", Tensor.Float([], 0.1f)), null, z], ["y"], Int("num_heads", 2));
        },
        ["Scaler"] = m => Ml(m, "Scaler", [m.Input("x", DataType.Int64, "N", 3)], ["y"], NodeAttribute.Of("offset", 1f, 2, 3), NodeAttribute.Of("scale", 1f, 1, 1)),
        ["LinearClassifier"] = m => Ml(m, "LinearClassifier", [m.Input("x", "N", 2)], ["label", "scores"], NodeAttribute.Of("coefficients", 1f, 2, 3, 4, 5, 6), NodeAttribute.Of("intercepts", 0f, 0, 0), NodeAttribute.Of("classlabels_ints", 0L, 1, 2)),
        ["LinearRegressor"] = m => Ml(m, "LinearRegressor", [m.Input("x", "N", 2)], ["y"], NodeAttribute.Of("coefficients", 1f, 2), NodeAttribute.Of("intercepts", new float[] { 0 }), Int("targets", 1)),
        ["Normalizer"] = m => Ml(m, "Normalizer", [m.Input("x", "N", 3)], ["y"], NodeAttribute.Of("norm", "L2")),
        ["ArrayFeatureExtractor"] = m => Ml(m, "ArrayFeatureExtractor", [m.Input("x", "N", 5), m.Ints(0, 2)], ["y"]),
        ["Binarizer"] = m => Ml(m, "Binarizer", [m.Input("x", "N", 5)], ["y"]),
        ["TreeEnsembleRegressor"] = m => Ml(m, "TreeEnsembleRegressor", [m.Input("x", "N", 2)], ["y"],
            NodeAttribute.Of("nodes_treeids", 0L, 0, 0), NodeAttribute.Of("nodes_nodeids", 0L, 1, 2), NodeAttribute.Of("nodes_featureids", 0L, 0, 0), NodeAttribute.Of("nodes_values", 0.5f, 0, 0),
            Strings("nodes_modes", "BRANCH_LEQ", "LEAF", "LEAF"), NodeAttribute.Of("nodes_truenodeids", 1L, 0, 0), NodeAttribute.Of("nodes_falsenodeids", 2L, 0, 0),
            NodeAttribute.Of("target_treeids", 0L, 0), NodeAttribute.Of("target_nodeids", 1L, 2), NodeAttribute.Of("target_ids", 0L, 1), NodeAttribute.Of("target_weights", 1f, 2f), Int("n_targets", 2)),
    };

    public static IEnumerable<object[]> Names => Cases.Keys.Select(n => new object[] { n });

    [TestMethod]
    [DynamicData(nameof(Names))]
    public void Rule_AgreesWithRun(string name)
    {
        var model = GraphFixture.NewModel();
        var node = Cases[name](model);
        foreach (var output in node.Outputs.OfType<Value>()) model.Graph.AddOutput(output);
        var outputs = node.Outputs.OfType<Value>().ToList();

        var inference = ShapeInference.Run(model);
        Assert.IsEmpty(inference.Unresolved.Where(u => outputs.Contains(u.Value)), string.Join('\n', inference.Unresolved.Select(u => $"{u.Value}: {u.Reason}")));
        foreach (var output in outputs) output.Type = null;
        var observed = ObservedTypes.Observe(model, outputs, SyntheticInputs.For(model));
        Assert.IsEmpty(observed.Missing, string.Join('\n', observed.Missing.Select(m => m.Reason)));
        var evaluated = ShapeInference.Evaluate(model, ObservedTypes.ShapesOf(observed.Inputs!));
        foreach (var output in outputs) Assert.AreEqual(Text(observed.Types[output]), Text(evaluated.TypeOf(output)!), output.Name);
    }

    private static string Text(Onnx.Tensors.ValueType type) => type is TensorType t ? $"{t.ElementType}{t.Shape}" : type.ToString();

    private static Node Microsoft(Model model, string opType, Value?[] inputs, string[] outputs, params NodeAttribute[] attributes)
    {
        model.OpsetImports["com.microsoft"] = 1;
        return model.Graph.AddNode(opType, inputs, outputs, attributes, "com.microsoft");
    }

    private static Node Ml(Model model, string opType, Value?[] inputs, string[] outputs, params NodeAttribute[] attributes)
    {
        model.OpsetImports["ai.onnx.ml"] = 3;
        return model.Graph.AddNode(opType, inputs, outputs, attributes, "ai.onnx.ml");
    }

    private static NodeAttribute Int(string name, long value) => NodeAttribute.Of(name, value);

    private static NodeAttribute Strings(string name, params string[] values) => NodeAttribute.OfStrings(name, values);

    private static Value Codes(Model model, DataType type, params long[] dims) => model.Graph.AddInitializer("codes", Tensor.Create(type, dims, new byte[Tensor.CountElements(dims)]));

    private static Value Zero(Model model, params long[] dims) => model.Graph.AddInitializer("zero", Tensor.Create(DataType.Int8, dims, new sbyte[Tensor.CountElements(dims)]));

    private static (Value Quantized, Value Scale, Value Zero) Quantized(Model model, Value x)
    {
        var scale = model.Graph.AddInitializer("scale", Tensor.Float([], 0.1f));
        var zero = model.Graph.AddInitializer("zero", Tensor.Create(DataType.UInt8, [], new byte[] { 128 }));
        return (model.Add("QuantizeLinear", [x, scale, zero]), scale, zero);
    }
}
