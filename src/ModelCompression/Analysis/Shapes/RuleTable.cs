namespace ModelCompression.Analysis.Shapes;

/// <summary>States the output types of one node; refuses with <see cref="NodeInference.Refuse"/> when it cannot.</summary>
internal delegate void InferenceRule(NodeInference n);

/// <summary>Rules by domain, operator and range of opset versions.</summary>
internal sealed class RuleTable
{
    private readonly Dictionary<(string Domain, string OpType), List<(long Since, long Until, InferenceRule Rule)>> rules = [];

    /// <summary>Domain of the contributed operators of ONNX Runtime.</summary>
    public const string Microsoft = "com.microsoft";

    /// <summary>Domain of the classical machine learning operators.</summary>
    public const string Ml = "ai.onnx.ml";

    public void Add(string opType, InferenceRule rule, long since = 1, long until = long.MaxValue, string domain = "")
    {
        if (!rules.TryGetValue((domain, opType), out var list)) rules.Add((domain, opType), list = []);
        list.Add((since, until, rule));
    }

    public void Add(ReadOnlySpan<string> opTypes, InferenceRule rule, long since = 1, long until = long.MaxValue, string domain = "")
    {
        foreach (string opType in opTypes) Add(opType, rule, since, until, domain);
    }

    /// <summary>The rule for an operator at a version, or null.</summary>
    public InferenceRule? Find(string domain, string opType, long version)
    {
        if (!rules.TryGetValue((domain, opType), out var list)) return null;
        foreach (var (since, until, rule) in list)
            if (version >= since && version <= until) return rule;
        return null;
    }
}
