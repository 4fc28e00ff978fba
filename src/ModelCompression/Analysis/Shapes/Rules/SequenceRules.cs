using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Analysis.Shapes.Rules;

/// <summary>Sequences of tensors. A sequence has the type all its members agree on.</summary>
internal static class SequenceRules
{
    public static void Register(RuleTable table)
    {
        table.Add("SequenceEmpty", n => n.Set(0, new SequenceType(new TensorType(ConversionRules.Numbered(n, "dtype", DataType.Float), null))));
        table.Add("SequenceConstruct", n =>
            n.Set(0, new SequenceType(Enumerable.Range(0, n.Node.Inputs.Count).Select(n.TypeOf).Aggregate(TypeLattice.MergeElement))));
        table.Add("SequenceInsert", n => n.Set(0, new SequenceType(TypeLattice.MergeElement((n.TypeOf(0) as SequenceType)?.Element, n.TypeOf(1)))));
        table.Add("SequenceErase", n => n.Set(0, n.TypeOf(0)));
        table.Add("SequenceAt", n => n.Set(0, (n.TypeOf(0) as SequenceType)?.Element));
        table.Add("SequenceLength", n => n.Set(0, DataType.Int64, Shape.Of()));
        table.Add("ConcatFromSequence", ConcatFromSequence);
        table.Add("SplitToSequence", SplitToSequence);
    }

    private static void ConcatFromSequence(NodeInference n)
    {
        if ((n.TypeOf(0) as SequenceType)?.Element is not TensorType member) throw n.Refuse("the type of the members is not known");
        n.Set(0, member.ElementType, default(Shape));
        if (member.Shape is not { } shape) throw n.Refuse("the rank of the members is not known");
        bool isNew = n.Attributes.Int("new_axis", 0) != 0;
        int axis = n.Axis("axis", 0, shape.Rank + (isNew ? 1 : 0));
        n.Set(0, member.ElementType, isNew
            ? [.. shape.Dimensions.Take(axis), default, .. shape.Dimensions.Skip(axis)]
            : shape.Dimensions.Select((d, i) => i == axis ? default : d));
    }

    private static void SplitToSequence(NodeInference n)
    {
        n.Set(0, new SequenceType(new TensorType(n.ElementOf(0), null)));
        var x = n.RequireShape(0, 1);
        int axis = n.Axis("axis", 0, x.Rank);
        bool isSingle = !n.HasInput(1);
        var part = isSingle ? 1 : n.ContentOf(1) is { Rank: 0 } size && x[axis].Size is { } whole && size.Elements[0].Integer.Size is > 0 and var each && whole % each == 0 ? each : default(Dimension);
        bool drops = isSingle && n.Attributes.Int("keepdims", 1) == 0;
        var dimensions = drops ? x.Dimensions.Where((_, i) => i != axis) : x.Dimensions.Select((d, i) => i == axis ? part : d);
        n.Set(0, new SequenceType(new TensorType(n.ElementOf(0), new Shape(dimensions))));
    }
}
