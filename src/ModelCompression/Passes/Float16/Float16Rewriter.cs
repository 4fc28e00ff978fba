using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Passes.Simplification;

namespace ModelCompression.Passes.Float16;

/// <summary>A constant that is binary16 now.</summary>
/// <param name="Value">The constant.</param>
/// <param name="Consumer">The first node that computes with it in binary16.</param>
/// <param name="Content">Its content.</param>
internal sealed record ConvertedConstant(Value Value, Node Consumer, Float16Tensor Content);

/// <summary>Carries a plan out: constants and attributes get their new types, and Cast stands where binary32 and binary16 meet, once per value.</summary>
internal sealed class Float16Rewriter(Model model, Float16Plan plan)
{
    /// <summary>A constant that both kinds of nodes use is stored twice up to this size; a larger one is converted back.</summary>
    private const long CopiedByteLength = 64;

    private readonly List<ConvertedConstant> converted = [];
    private int casts;

    /// <summary>Edits the graph; returns the constants that were converted.</summary>
    public IReadOnlyList<ConvertedConstant> Rewrite()
    {
        var scopes = GraphScope.Of(model).Where(s => !s.IsFunction).ToArray();
        // Everything is looked up before the first edit, since the plan reads the graph as it was.
        var values = scopes.SelectMany(s => Values(s.Graph).Where(plan.IsFloat).Select(v => new Border(s, v, plan))).ToArray();
        foreach (var border in values)
        {
            if (border.IsConstant) ConvertConstant(border);
            else if (border.BecomesHalf) LeaveHalf(border);
            else if (border.HalfUses.Count > 0) EnterHalf(border);
        }

        return converted;
    }

    private static IEnumerable<Value> Values(OnnxGraph graph) =>
        graph.Inputs.Concat(graph.Initializers.Where(i => !i.IsGraphInput)).Concat(graph.Nodes.SelectMany(n => n.Outputs).OfType<Value>());

    private void ConvertConstant(Border border)
    {
        if (border.HalfUses.Count == 0) return;
        var content = plan.Rounded(border.Value);
        var value = border.Value;
        if (border.IsOnlyHalf)
        {
            ConstantStorage.Replace(value, content.Tensor);
            if (value.IsGraphInput && model.IrVersion >= 4) value.Graph.RemoveInput(value);
        }
        else if (border.MayBeConvertedBack && content.Tensor.ByteLength > CopiedByteLength)
        {
            Float16Storage.Write(model, value, content.Tensor, border.FloatUses, NextName());
        }
        else
        {
            var position = value.Producer ?? value.Graph.Nodes[0];
            Redirect(border.HalfUses, ConstantStorage.Add(border.Scope, value.Name + "_h", content.Tensor, position));
            return;
        }

        converted.Add(new(value, border.HalfUses[0].Node, content));
    }

    /// <summary>The value is binary16 from now on; binary32 users and interfaces get it converted.</summary>
    private void LeaveHalf(Border border)
    {
        var value = border.Value;
        if (!plan.IsHalf(value.Producer!)) RetypeSource(value.Producer!);
        Value? asFloat = null;
        if (border.FloatUses.Count > 0)
        {
            asFloat = Cast(value, value.Graph, DataType.Float);
            Redirect(border.FloatUses, asFloat);
        }

        foreach (var graph in value.OutputOf.Distinct().ToArray())
        {
            // A subgraph that returns a value of an outer graph converts it itself.
            var returned = graph == value.Graph ? asFloat ??= Cast(value, graph, DataType.Float) : Cast(value, graph, DataType.Float);
            graph.ReplaceOutput(value, returned);
        }

        if (value.TensorType is { } type) value.Type = type with { ElementType = DataType.Float16 };
    }

    private void EnterHalf(Border border)
    {
        var value = border.Value;
        // What was binary16 before it was converted needs no conversion back.
        bool isFromHalf = value.Producer is { } cast && cast.Is("Cast") && plan.WasHalf(cast.Inputs[0]!);
        Redirect(border.HalfUses, isFromHalf ? value.Producer!.Inputs[0]! : Cast(value, value.Graph, DataType.Float16));
    }

    private static void RetypeSource(Node node)
    {
        if (node.Is("Cast"))
        {
            node.SetAttribute(NodeAttribute.Of("to", (long)DataType.Float16));
            return;
        }

        var fill = node.TryGetAttribute("value", out var attribute) ? attribute.Tensor : Tensor.Float([1], 0);
        node.SetAttribute(NodeAttribute.Of("value", Float16Rounding.TryRound(fill)!.Tensor));
    }

    /// <summary>Converts right behind the producer, or first in the graph; in a graph other than the value's own, last.</summary>
    private Value Cast(Value value, OnnxGraph graph, DataType type)
    {
        int index = value.Graph != graph ? graph.Nodes.Count : value.Producer is { } producer ? graph.IndexOf(producer) + 1 : 0;
        return graph.AddNode("Cast", [value], [NextName()], [NodeAttribute.Of("to", (long)type)], index: index).Outputs[0]!;
    }

    private string NextName() => FormattableString.Invariant($"c{casts++}");

    private static void Redirect(IEnumerable<Use> uses, Value value)
    {
        foreach (var use in uses) use.Node.SetInput(use.Index, value);
    }

    /// <summary>A binary32 value, and who will want it how.</summary>
    private sealed class Border
    {
        public Border(GraphScope scope, Value value, Float16Plan plan)
        {
            Scope = scope;
            Value = value;
            IsConstant = value.TryGetConstant(out _);
            HalfUses = [.. value.Uses.Where(plan.NeedsHalf)];
            BecomesHalf = !IsConstant && plan.BecomesHalf(value);
            FloatUses = [.. value.Uses.Where(u => !plan.NeedsHalf(u) && (IsConstant || !Float16Operators.TakesAnyType(u.Node)))];
            MayBeConvertedBack = !value.IsGraphOutput && !value.IsReferencedByName && FloatUses.All(u => !plan.IsHalf(u.Node));
        }

        public GraphScope Scope { get; }

        public Value Value { get; }

        public bool IsConstant { get; }

        public bool BecomesHalf { get; }

        public IReadOnlyList<Use> HalfUses { get; }

        public IReadOnlyList<Use> FloatUses { get; }

        public bool IsOnlyHalf => FloatUses.Count == 0 && !Value.IsGraphOutput && !Value.IsReferencedByName;

        public bool MayBeConvertedBack { get; }
    }
}
