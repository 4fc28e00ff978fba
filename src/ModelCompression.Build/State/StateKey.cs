using System.Collections.Generic;
using System.Text;
using ModelCompression.Build.Items;

namespace ModelCompression.Build.State;

/// <summary>The parameters of a result as text: equal texts mean that the same inputs give the same result.</summary>
internal static class StateKey
{
    /// <summary>Raised when the meaning of a state file changes.</summary>
    private const string Format = "modelcompression-state 1";

    public static string Write(ModelItem model, IReadOnlyList<string> reports, string toolVersion, string workerHash, string lockEntry)
    {
        var text = new StringBuilder(Format).Append('\n');
        StateText.AppendLine(text, "tool", toolVersion, workerHash);
        StateText.AppendLine(text, "model", model.Identity, model.TargetPath);
        StateText.AppendLine(text, "reports", string.Join(";", reports));
        if (lockEntry.Length > 0) StateText.AppendLine(text, "lock", lockEntry);
        AppendSettings(text, "set", model.Settings);
        foreach (var rule in model.Rules)
        {
            StateText.AppendLine(text, "rule", rule.Identity);
            AppendSettings(text, "rule-set", rule.Settings);
        }
        return text.ToString();
    }

    private static void AppendSettings(StringBuilder text, string kind, SortedDictionary<string, string> settings)
    {
        // Names are case-insensitive: a change of their casing changes nothing.
        foreach (var setting in settings) StateText.AppendLine(text, kind, setting.Key.ToLowerInvariant(), setting.Value);
    }
}
