using ModelCompression.Analysis.Shapes.Rules;

namespace ModelCompression.Analysis.Shapes;

/// <summary>All inference rules.</summary>
internal static class InferenceRules
{
    private static readonly RuleTable Table = Build();

    public static InferenceRule? Find(string domain, string opType, long version) => Table.Find(domain, opType, version);

    private static RuleTable Build()
    {
        var table = new RuleTable();
        ElementwiseRules.Register(table);
        ConversionRules.Register(table);
        ConvolutionRules.Register(table);
        PoolingRules.Register(table);
        MatrixRules.Register(table);
        EinsumRules.Register(table);
        ReshapingRules.Register(table);
        LayoutRules.Register(table);
        JoiningRules.Register(table);
        SlicingRules.Register(table);
        GatheringRules.Register(table);
        SelectionRules.Register(table);
        ReductionRules.Register(table);
        NormalizationRules.Register(table);
        RecurrentRules.Register(table);
        AttentionRules.Register(table);
        QuantizationRules.Register(table);
        GeneratorRules.Register(table);
        SignalRules.Register(table);
        ResamplingRules.Register(table);
        LossRules.Register(table);
        TextRules.Register(table);
        SequenceRules.Register(table);
        OptionalRules.Register(table);
        ConditionalRules.Register(table);
        LoopRules.Register(table);
        ClassicalMlRules.Register(table);
        return table;
    }
}
