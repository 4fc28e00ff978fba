using ModelCompression.Analysis.Shapes;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Options;
using ModelCompression.Passes;

namespace ModelCompression.Pipeline;

/// <summary>
/// Finds names in settings and rules that no node of the model has. A mistyped name would otherwise leave a part of the model compressed that was to be
/// left alone, without a word.
/// </summary>
internal static class ScopeCheck
{
    private const string Code = "MCB4046";

    /// <summary>Checks the settings of a request against the model as it was read.</summary>
    /// <param name="model">The model.</param>
    /// <param name="request">Where settings and rules stand.</param>
    /// <param name="settings">What was read from them.</param>
    /// <param name="log">Takes warnings and refusals.</param>
    /// <param name="chosenRules">Rules at the beginning that a search made, which name nodes of the model in hand.</param>
    public static void Run(Model model, CompressionRequest request, CompressionSettings settings, PassLog log, int chosenRules = 0)
    {
        string[] names = [.. model.Graph.AllNodes().Select(n => n.DisplayName).Distinct(StringComparer.Ordinal)];
        string[] opTypes = [.. model.Graph.AllNodes().Select(n => n.OpType).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
        foreach (string pattern in settings.Model.ExcludeNodes.Where(p => !names.Any(n => Wildcard.Matches(p, n))))
            Warn(request.Item, $"ExcludeNodes has '{pattern}', but no node of the model is called like this.{ClosestMatch.Hint(pattern, names)} {Names}");
        var included = settings.Model.IncludeOpTypes;
        if (included.Count > 0 && !opTypes.Any(o => Wildcard.MatchesOperator(included, o)))
            Warn(request.Item, $"IncludeOpTypes=\"{string.Join(';', included)}\" leaves nothing to work on: the model has none of these operators.{ClosestMatch.Hint(included[0], opTypes)}");
        // An operator that the model lacks may be excluded by policy; a name that ONNX does not have and the model nearly has is mistyped.
        long opset = model.OpsetImports.Onnx;
        foreach (string pattern in settings.Model.ExcludeOpTypes.Where(p => !opTypes.Any(o => Wildcard.MatchesOperator([p], o)) && InferenceRules.Find("", p, opset) is null && ClosestMatch.Hint(p, opTypes).Length > 0))
            Warn(request.Item, $"ExcludeOpTypes has '{pattern}', but the model has no such operator.{ClosestMatch.Hint(pattern, opTypes)}");
        foreach (var (rule, source) in settings.Rules.Zip(request.Rules).Skip(chosenRules)) CheckRule(rule, source);

        void CheckRule(CompressionRule rule, SettingsSource source)
        {
            if (model.Graph.AllNodes().Any(rule.Matches)) return;
            string what = rule.Nodes.Count > 0 ? $"Nodes=\"{string.Join(';', rule.Nodes)}\"" : "";
            if (rule.OpTypes.Count > 0) what += $"{(what.Length > 0 ? " with " : "")}OpTypes=\"{string.Join(';', rule.OpTypes)}\"";
            log.Refused("CompressModelRule", source.What, $"no node matches {what}");
            // A rule by operator, for every model, is a policy: it need not apply everywhere.
            bool named = source.Values.Any(v => v.Key.Equals("Model", StringComparison.OrdinalIgnoreCase) && v.Value.Length > 0);
            if (rule.Nodes.Count == 0 && !named) return;
            string hint = rule.Nodes.Count > 0 ? ClosestMatch.Hint(rule.Nodes[0], names) : ClosestMatch.Hint(rule.OpTypes[0], opTypes);
            Warn(source, $"it applies to no node: nothing in the model matches {what}.{hint} {Names} Where it is meant for another model, say so with Model=\"…\".");
        }

        void Warn(SettingsSource source, string message) =>
            log.Report(Diagnostic.Warning(Code, $"{source.What}: {message}") with { File = source.File, Line = source.Line, Column = source.Column });
    }

    private static string Names => "'dotnet modelcompress inspect --all' lists the names; they are case-sensitive, '*' stands for any characters.";
}
