using ModelCompression.Analysis;
using ModelCompression.Analysis.Views;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Quantization.Dynamic;

/// <summary>Replaces nodes by integer kernels.</summary>
internal sealed class IntegerCallWriter
{
    private const string Microsoft = "com.microsoft";

    private readonly Model model;
    private readonly Dictionary<Value, IntegerConstants> constants = new(ReferenceEqualityComparer.Instance);
    private readonly List<WeightSite> replaced = [];
    private readonly Dictionary<(Value Input, OnnxGraph Graph), Node> inputs = [];

    /// <summary>Makes a writer.</summary>
    /// <param name="model">The model.</param>
    /// <param name="weights">The numbers of the weights.</param>
    public IntegerCallWriter(Model model, Dictionary<Value, IntegerWeight> weights)
    {
        this.model = model;
        var writers = new Dictionary<OnnxGraph, ConstantWriter>(ReferenceEqualityComparer.Instance);
        int number = 0;
        foreach (var (value, weight) in weights) constants.Add(value, new IntegerConstants(writers, weight, number++));
    }

    /// <summary>Replaces one node. Calls come in graph order, so that the first consumer of an activation is the one that quantizes it for all.</summary>
    public void Write(IntegerCall call)
    {
        foreach (var operand in call.Operands)
            if (!replaced.Contains(operand.Site)) replaced.Add(operand.Site);
        if (IntegerNodeRules.DomainOf(call.Kernel).Length > 0) Import(call.Node.Graph!);
        var at = new NodeInserter(call.Node);
        var result = call.Kernel switch
        {
            IntegerKernel.DynamicQuantizeLstm => WriteLstm(call),
            IntegerKernel.ConvInteger => WriteConv(call, at),
            _ => WriteProduct(call, at),
        };
        if (result is null) return;
        Replace(call.Node.Output()!, result);
        call.Node.Graph!.RemoveNode(call.Node);
    }

    /// <summary>Removes the float weights that nothing uses any more.</summary>
    public void RemoveFloats()
    {
        foreach (var site in replaced)
        {
            if (site.Value.Producer is { } constant) constant.Graph!.RemoveNode(constant);
            else site.Value.Graph.RemoveInitializer(site.Value);
        }
    }

    private Value WriteProduct(IntegerCall call, NodeInserter at)
    {
        var node = call.Node;
        var weight = constants[call.Operands[0].Site.Value];
        bool perTensor = call.Operands[0].ScaleAxes.Count == 0;
        GemmView.TryFrom(node, out var gemm);
        var input = gemm?.TransA == true ? at.Add("Transpose", [node.Input(0)], "a", NodeAttribute.Of("perm", 1, 0)) : node.Input(0)!;
        long[] channels = perTensor ? [] : [call.Operands[0].KernelDims[^1]];
        var scales = weight.Scales(channels, gemm?.Alpha ?? 1);
        Value product;
        if (call.Kernel == IntegerKernel.DynamicQuantizeMatMul)
        {
            product = at.Named("DynamicQuantizeMatMul", [input, weight.Codes, scales, weight.ZeroPoints], node.Name, Microsoft);
        }
        else
        {
            var quantized = Quantized(input, node);
            Value?[] operands = [quantized.Outputs[0], weight.Codes, quantized.Outputs[2], weight.ZeroPoints];
            product = at.Named("MatMulInteger", weight.ZeroPoints is null ? operands[..3] : operands, node.Name);
            product = Scale(product, quantized.Outputs[1]!, scales, at);
        }

        return gemm?.C is null || gemm.Beta == 0 ? product : at.Add("Add", [product, Summand(gemm, at)], "y");
    }

    private static Value Summand(GemmView gemm, NodeInserter at)
    {
        if (gemm.Beta == 1) return gemm.C!;
        var beta = at.Add("Constant", [], "beta", NodeAttribute.Of("value", Tensor.Float([], gemm.Beta)));
        return at.Add("Mul", [gemm.C, beta], "c");
    }

    private Value WriteConv(IntegerCall call, NodeInserter at)
    {
        ConvView.TryFrom(call.Node, out var conv);
        var weight = constants[conv!.Weight];
        long[] channels = [conv.OutputChannels, .. Enumerable.Repeat(1L, conv.Window.Kernel.Count)];
        var quantized = Quantized(conv.Input, call.Node);
        Value?[] operands = [quantized.Outputs[0], weight.Codes, quantized.Outputs[2], weight.ZeroPoints];
        var product = at.Named("ConvInteger", weight.ZeroPoints is null ? operands[..3] : operands, call.Node.Name, "", [.. call.Node.Attributes]);
        product = Scale(product, quantized.Outputs[1]!, weight.Scales(call.Operands[0].ScaleAxes.Count == 0 ? [] : channels), at);
        if (conv.Bias is null) return product;
        var shape = at.Add("Constant", [], "shape", NodeAttribute.Of("value", Tensor.Int64([channels.Length], channels)));
        return at.Add("Add", [product, at.Add("Reshape", [conv.Bias, shape], "b")], "y");
    }

    private static Value Scale(Value product, Value inputScale, Value weightScales, NodeInserter at)
    {
        var scale = at.Add("Mul", [inputScale, weightScales], "s");
        var sums = at.Add("Cast", [product], "f", NodeAttribute.Of("to", (long)DataType.Float));
        return at.Add("Mul", [sums, scale], "y");
    }

    /// <summary>Exchanges the node for its integer counterpart, all outputs included.</summary>
    private Value? WriteLstm(IntegerCall call)
    {
        var node = call.Node;
        var graph = node.Graph!;
        var (weight, recurrence) = (constants[call.Operands[0].Site.Value], constants[call.Operands[1].Site.Value]);
        long[] dims = call.Operands[0].KernelDims;
        long[] scales = call.Operands[0].ScaleAxes.Count == 1 ? [dims[0]] : [dims[0], dims[2]];
        Value?[] operands =
        [
            node.Input(0), weight.Codes, recurrence.Codes, node.Input(3), node.Input(4), node.Input(5), node.Input(6), node.Input(7),
            weight.Scales(scales), weight.ZeroPointsOf(scales), recurrence.Scales(scales), recurrence.ZeroPointsOf(scales),
        ];
        var names = node.Outputs.Select(o => o?.Name ?? "");
        var integer = graph.AddNode("DynamicQuantizeLSTM", operands, names, node.Attributes.Where(a => a.Name != "layout"), Microsoft, node.Name, graph.IndexOf(node));
        for (int i = 0; i < node.Outputs.Count; i++)
        {
            if (node.Outputs[i] is not { } original) continue;
            Replace(original, integer.Outputs[i]!);
        }

        graph.RemoveNode(node);
        return null;
    }

    /// <summary>Puts a value in the place of another, under its name.</summary>
    private static void Replace(Value original, Value result)
    {
        bool isInterface = original.IsGraphOutput && original.Graph.ParentNode is null;
        result.Type = original.Type;
        original.ReplaceAllUsesWith(result);
        if (!isInterface) result.TakeNameOf(original);
    }

    /// <summary>The quantized activation; nodes of one graph that take the same activation share it.</summary>
    private Node Quantized(Value input, Node consumer)
    {
        var graph = consumer.Graph!;
        if (inputs.TryGetValue((input, graph), out var known)) return known;
        string name = input.Name;
        var node = graph.AddNode("DynamicQuantizeLinear", [input], [name + "_q", name + "_s", name + "_z"], index: graph.IndexOf(consumer));
        inputs.Add((input, graph), node);
        return node;
    }

    private void Import(OnnxGraph graph)
    {
        var root = graph;
        while (root.ParentNode?.Graph is { } outer) root = outer;
        var imports = model.Functions.FirstOrDefault(f => f.Body == root)?.OpsetImports ?? model.OpsetImports;
        if (!imports.Contains(Microsoft)) imports[Microsoft] = 1;
        // A function's opsets have to be imported by the model too.
        if (!model.OpsetImports.Contains(Microsoft)) model.OpsetImports[Microsoft] = 1;
    }
}
