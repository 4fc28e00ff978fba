using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Quantization.Static;

/// <summary>Replaces operators between DequantizeLinear and QuantizeLinear by integer operators: <c>QuantizationFormat=QOperator</c>.</summary>
/// <remarks>
/// The pairs that stay are the borders to float operators. Codes, scales and zero points are those of the pairs, so that both formats compute the same numbers where a runtime fuses pairs.
/// An operator without an integer form keeps its pairs, with a reason.
/// </remarks>
internal sealed class QOperatorWriter
{
    private readonly Model model;
    private readonly OnnxGraph graph;
    private readonly Dictionary<Node, string> reasons = new(ReferenceEqualityComparer.Instance);

    private QOperatorWriter(Model model)
    {
        this.model = model;
        graph = model.Graph;
    }

    /// <summary>Rewrites the nodes of a plan whose pairs have been written.</summary>
    /// <param name="model">The model.</param>
    /// <param name="nodes">The plan's nodes, in graph order.</param>
    /// <returns>Nodes that keep their pairs, with the reason.</returns>
    public static IReadOnlyDictionary<Node, string> Write(Model model, IEnumerable<QuantizedNode> nodes)
    {
        var writer = new QOperatorWriter(model);
        foreach (var node in nodes)
            if (node.Node.Graph is not null) writer.Rewrite(node);
        return writer.reasons;
    }

    private void Rewrite(QuantizedNode quantized)
    {
        var node = quantized.Node;
        if (quantized.Role == StaticRole.Moves)
        {
            if (WhyNotInCodes(node) is { } problem) reasons.Add(node, problem);
            else MoveCodes(node);
            return;
        }

        var inputs = node.Inputs.Select(QuantizedOperand.Behind).ToArray();
        var output = QuantizedOperand.Of(node.Outputs[0]!);
        var form = IntegerOperator.For(node, inputs, output, model.OpsetImports.Onnx, out string reason);
        if (form is null) reasons.Add(node, reason);
        else Replace(node, form, output);
    }

    private void Replace(Node node, IntegerOperator form, QuantizedOperand? output)
    {
        if (form.Domain.Length > 0 && !model.OpsetImports.Contains(form.Domain)) model.OpsetImports[form.Domain] = 1;
        var attributes = node.Attributes.Where(a => form.Kept?.Contains(a.Name) != false && form.Added.All(n => n.Name != a.Name)).Concat(form.Added);
        var pairs = node.Inputs.OfType<Value>().Select(i => i.Producer).OfType<Node>().ToArray();
        var made = graph.AddNode(form.OpType, form.Inputs, ["codes"], attributes, form.Domain, node.Name, graph.IndexOf(node)).Outputs[0]!;
        var old = output?.Codes ?? node.Outputs[0]!;
        made.Type = old.Type;
        var replaced = old.Producer!;
        made.TakePlaceOf(old);
        if (replaced != node) graph.RemoveNode(replaced);
        graph.RemoveNode(node);
        RemoveUnused(pairs);
    }

    /// <summary>Lets an operator that only moves elements move codes.</summary>
    private void MoveCodes(Node node)
    {
        var pairs = StaticOperators.DataInputs(node).Select(i => node.Inputs[i]!.Producer!).ToArray();
        var input = QuantizedOperand.Behind(node.Inputs[0])!;
        if (node.Is("Pad") && node.GetString("mode", "constant") == "constant") SetPaddingCode(node, input);
        foreach (int index in StaticOperators.DataInputs(node)) node.SetInput(index, QuantizedOperand.Behind(node.Inputs[index])!.Codes);
        foreach (int index in StaticOperators.DataOutputs(node))
        {
            if (node.Output(index) is not { } value || QuantizedOperand.Of(value) is not { } output) continue;
            var quantize = output.Codes.Producer!;
            value.Type = output.Codes.Type;
            quantize.SetInput(0, null);
            value.TakePlaceOf(output.Codes);
            graph.RemoveNode(quantize);
        }

        RemoveUnused(pairs);
    }

    private string? WhyNotInCodes(Node node)
    {
        if (QuantizedOperand.Behind(node.Inputs[0]) is not { IsActivation: true } input) return "its input has no codes of 8 bits with one scale";
        foreach (int index in StaticOperators.DataOutputs(node))
            if (node.Output(index) is { } value && QuantizedOperand.Of(value)?.HasSameMeaning(input) != true) return "its output has other codes than its input";
        return node.OpType switch
        {
            "MaxPool" when model.OpsetImports.Onnx < 12 => "MaxPool takes codes from opset 12 on",
            "MaxPool" when node.Outputs.Count > 1 => "it returns indices",
            "Pad" when model.OpsetImports.Onnx < 11 => "Pad takes codes from opset 11 on",
            "Pad" when node.Input(2) is { } value && !value.TryGetConstant(out _) => "the number it pads with is not constant",
            "Resize" when node.GetString("mode", "nearest") == "cubic" => "cubic interpolation of codes is not available",
            "Resize" when node.GetString("coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize" => "it fills with a number of its own",
            _ => null,
        };
    }

    /// <summary>The code of what is padded with: 0 if nothing is given.</summary>
    private void SetPaddingCode(Node node, QuantizedOperand input)
    {
        float value = node.Input(2)?.TryGetConstant(out var constant) == true ? constant.AsSpan<float>()[0] : 0;
        input.Scale.TryGetConstant(out var scale);
        input.ZeroPoint.TryGetConstant(out var zero);
        bool isSigned = zero!.DataType == DataType.Int8;
        int offset = isSigned ? zero.AsSpan<sbyte>()[0] : zero.AsSpan<byte>()[0];
        double code = Math.Round(value / scale!.AsSpan<float>()[0], MidpointRounding.ToEven) + offset;
        var tensor = isSigned ? Tensor.Create(DataType.Int8, [], [(sbyte)Math.Clamp(code, sbyte.MinValue, sbyte.MaxValue)]) : Tensor.Create(DataType.UInt8, [], [(byte)Math.Clamp(code, 0, byte.MaxValue)]);
        node.SetInput(2, graph.AddInitializer(WeightNames.OfCodes(input.ZeroPoint), tensor));
    }

    private void RemoveUnused(IEnumerable<Node> nodes)
    {
        foreach (var node in nodes.Distinct())
            if (node.Graph is not null && node.OpType == "DequantizeLinear" && node.Outputs[0]!.IsUnused) graph.RemoveNode(node);
    }
}
