using ModelCompression.Onnx.Graph;
using ModelCompression.Options;

namespace ModelCompression.Passes.Simplification;

/// <summary>Removes operator set imports that no node needs, from the model and from its functions.</summary>
/// <remarks>
/// The model's imports serve the nodes of the main graph and its subgraphs; each function has imports of its own. The standard domain always
/// stays: it costs four bytes, and passes and runtimes count on it. With training information, whose nodes are not visible here, all stay.
/// </remarks>
public sealed class RemoveUnusedOpsetImports : ModelPass
{
    /// <inheritdoc/>
    protected override void Apply(Model model, CompressionSettings settings, PassLog log)
    {
        if (model.HasTrainingInfo) return;
        Remove(model.OpsetImports, model.Graph, "model", log);
        foreach (var function in model.Functions) Remove(function.OpsetImports, function.Body, $"function {function.Name}", log);
    }

    private void Remove(OpsetImports imports, OnnxGraph graph, string owner, PassLog log)
    {
        if (imports.All.Count < 2) return;
        var used = graph.AllNodes().Select(n => n.Domain).ToHashSet(StringComparer.Ordinal);
        foreach (var (domain, version) in imports.All.ToArray())
        {
            if (domain is "" or "ai.onnx" || used.Contains(domain)) continue;
            imports.Remove(domain);
            log.Applied(Name, $"{domain} {version}", $"no node of the {owner} is of this domain");
        }
    }
}
