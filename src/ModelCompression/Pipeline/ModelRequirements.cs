using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;

namespace ModelCompression.Pipeline;

/// <summary>What a model must have so that anything can be done with it, beyond what reading it asks for.</summary>
internal static class ModelRequirements
{
    /// <summary>Checks a model as it was read.</summary>
    /// <exception cref="DiagnosticException">MCB2018: the model returns nothing, or uses operators of a domain it does not import.</exception>
    public static void Check(Model model)
    {
        if (model.Graph.Outputs.Count == 0) throw new DiagnosticException(Diagnostic.Error("MCB2018", "The model has no outputs, so nothing it computes can be seen. Export it again."));
        var functions = model.Functions.Select(f => (f.Domain, f.Name)).ToHashSet();
        var stranger = model.Graph.AllNodes().FirstOrDefault(n => !model.OpsetImports.Contains(n.Domain) && !functions.Contains((n.Domain, n.OpType)));
        if (stranger is null) return;
        string domain = stranger.Domain.Length == 0 ? "ai.onnx" : stranger.Domain;
        string imported = string.Join(", ", model.OpsetImports.All.Select(o => $"'{(o.Key.Length == 0 ? "ai.onnx" : o.Key)}'"));
        throw new DiagnosticException(Diagnostic.Error("MCB2018", $"{stranger} is of the operator domain '{domain}', but the model imports {(imported.Length == 0 ? "no operator set" : $"only {imported}")}. ONNX Runtime does not load such a model; export it again."));
    }
}
