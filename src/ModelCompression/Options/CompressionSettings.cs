using ModelCompression.Onnx.Graph;

namespace ModelCompression.Options;

/// <summary>A model's options and its rules: what the passes ask.</summary>
/// <param name="Model">Options of the item, preset applied.</param>
/// <param name="Rules">Overrides for parts of the model, in order; a later rule wins over an earlier one of the same kind.</param>
public sealed record CompressionSettings(CompressionOptions Model, IReadOnlyList<CompressionRule> Rules)
{
    /// <summary>Settings without rules.</summary>
    public CompressionSettings(CompressionOptions model)
        : this(model, [])
    {
    }

    /// <summary>The options that hold for one node. Precedence: node-name rule, op-type rule, item, preset.</summary>
    public CompressionOptions For(Node node)
    {
        var options = Model;
        foreach (var rule in Rules)
            if (rule.OpTypes.Count > 0 && rule.Nodes.Count == 0 && rule.Matches(node)) options = rule.Apply(options);
        foreach (var rule in Rules)
            if (rule.Nodes.Count > 0 && rule.Matches(node)) options = rule.Apply(options);
        return options;
    }

    /// <summary>Why a node is out of scope by <c>IncludeOpTypes</c>, <c>ExcludeOpTypes</c> or <c>ExcludeNodes</c>; null when it is in scope.</summary>
    public string? ReasonToSkip(Node node)
    {
        var options = For(node);
        if (options.IncludeOpTypes.Count > 0 && !Wildcard.MatchesOperator(options.IncludeOpTypes, node.OpType)) return "not in IncludeOpTypes";
        if (Wildcard.MatchesOperator(options.ExcludeOpTypes, node.OpType)) return "in ExcludeOpTypes";
        if (Wildcard.MatchesAny(options.ExcludeNodes, node.DisplayName)) return "in ExcludeNodes";
        return null;
    }
}

/// <summary>One <c>CompressModelRule</c>.</summary>
/// <param name="Nodes">Node-name wildcards; empty = any node.</param>
/// <param name="OpTypes">Operator wildcards; empty = any operator.</param>
/// <param name="Apply">Overrides the options it sets.</param>
public sealed record CompressionRule(IReadOnlyList<string> Nodes, IReadOnlyList<string> OpTypes, Func<CompressionOptions, CompressionOptions> Apply)
{
    /// <summary>True if the rule is about <paramref name="node"/>; with both lists given, both must match.</summary>
    public bool Matches(Node node) =>
        (Nodes.Count == 0 || Wildcard.MatchesAny(Nodes, node.DisplayName)) && (OpTypes.Count == 0 || Wildcard.MatchesOperator(OpTypes, node.OpType));
}
