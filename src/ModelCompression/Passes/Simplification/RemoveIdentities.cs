using ModelCompression.Onnx.Graph;
using ModelCompression.Options;

namespace ModelCompression.Passes.Simplification;

/// <summary>Takes out nodes that return their first input unchanged.</summary>
/// <remarks>
/// <para>Which nodes these are is decided by <see cref="IdentityRules"/>: Identity, inference-mode Dropout, and operators whose parameters
/// make them do nothing. The consumers, captured ones included, then use the node's input.</para>
/// <para>Refused, with a reason: another output of the node (a Dropout mask) is used; the output is returned by a graph and the input cannot
/// take over its name, because it is a graph input, an initializer, a value of an outer graph, or returned itself; the output is returned
/// by a subgraph that captures it; training information refers to the output by name.</para>
/// <para>Values are untouched, so outputs are bitwise the same.</para>
/// </remarks>
public sealed class RemoveIdentities : ModelPass
{
    /// <inheritdoc/>
    protected override void Apply(Model model, CompressionSettings settings, PassLog log)
    {
        foreach (var scope in GraphScope.Of(model).ToArray())
        {
            var removed = new List<Node>();
            foreach (var node in scope.Graph.Nodes)
            {
                var verdict = IdentityRules.Judge(node, scope);
                if (verdict.Reason is null) continue;
                string? obstacle = verdict.IsIdentity ? WhyNotBypass(node) : verdict.Reason;
                if (obstacle is not null)
                {
                    log.Refused(Name, node.DisplayName, obstacle);
                    continue;
                }

                log.Applied(Name, node.DisplayName, verdict.Reason);
                node.Outputs[0]!.ReplaceAllUsesWith(node.Inputs[0]!);
                removed.Add(node);
            }

            scope.Graph.RemoveNodes(removed);
        }
    }

    private static string? WhyNotBypass(Node node)
    {
        var output = node.Outputs[0]!;
        var input = node.Inputs[0]!;
        if (node.Outputs.Skip(1).Any(o => o is not null && !o.IsUnused)) return $"another output of {node.OpType} is used";
        if (output.IsReferencedByName) return "training information refers to its output";
        if (!output.IsGraphOutput) return null;
        if (output.OutputOf.Count > 1) return "its output is returned more than once";
        if (output.OutputOf[0] != node.Graph) return "its output is returned by a subgraph";
        if (input.Graph != node.Graph) return "it returns a value of an outer graph";
        if (input.Producer is null) return "it returns a graph input or an initializer";
        if (input.IsGraphOutput) return "its input is returned under another name";
        return input.IsReferencedByName ? "training information refers to its input" : null;
    }
}
