using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Passes.Simplification;

namespace ModelCompression.Pipeline;

/// <summary>What a model must have so that anything can be done with it, beyond what reading it asks for.</summary>
internal static class ModelRequirements
{
    /// <summary>Checks a model as it was read.</summary>
    /// <exception cref="DiagnosticException">MCB2018: the model returns nothing, or uses operators of a domain it does not import. MCB2042 and MCB2043.</exception>
    public static void Check(Model model)
    {
        CheckOpens(model);
        if (model.Graph.Outputs.Count == 0) throw new DiagnosticException(Diagnostic.Error("MCB2018", "The model has no outputs, so nothing it computes can be seen. Export it again."));
        var functions = model.Functions.Select(f => (f.Domain, f.Name)).ToHashSet();
        var stranger = model.Graph.AllNodes().FirstOrDefault(n => !model.OpsetImports.Contains(n.Domain) && !functions.Contains((n.Domain, n.OpType)));
        if (stranger is null) return;
        string domain = stranger.Domain.Length == 0 ? "ai.onnx" : stranger.Domain;
        string imported = string.Join(", ", model.OpsetImports.All.Select(o => $"'{(o.Key.Length == 0 ? "ai.onnx" : o.Key)}'"));
        throw new DiagnosticException(Diagnostic.Error("MCB2018", $"{stranger} is of the operator domain '{domain}', but the model imports {(imported.Length == 0 ? "no operator set" : $"only {imported}")}. ONNX Runtime does not load such a model; export it again."));
    }

    /// <summary>Refuses what ends the process, or never comes back, when it is opened or run.</summary>
    /// <remarks>
    /// ONNX Runtime 1.29 replaces a binary16 initializer behind a Cast by a binary32 one when the Cast has one user. It takes for granted that the initializer is a constant, and reads from nowhere when callers may override it.
    /// </remarks>
    /// <exception cref="DiagnosticException">MCB2042; MCB2043: a loop never ends.</exception>
    public static void CheckOpens(Model model)
    {
        foreach (var node in model.Graph.AllNodes().Concat(model.Functions.SelectMany(f => f.Body.AllNodes())))
        {
            if (CrashingNodes.Problem(node) is { } problem)
                throw new DiagnosticException(Diagnostic.Error("MCB2042", $"ONNX Runtime crashes on this model: {problem}") with { File = model.SourcePath });
            if (EndlessLoops.Contains(node))
                throw new DiagnosticException(Diagnostic.Error("MCB2043", $"{node} never ends: its condition is always true, and its number of turns is {(node.Input(0) is null ? "left open" : "beyond all measure")}. Let the body compute when it is done, or give the number of turns.") with { File = model.SourcePath });
        }

        foreach (var value in model.Graph.Initializers)
        {
            if (value.Initializer?.DataType != DataType.Float16 || !GraphScope.IsOverridable(model, value) || !value.Uses.Any(u => IsReplaced(u.Node))) continue;
            throw new DiagnosticException(Diagnostic.Error("MCB2042", $"ONNX Runtime crashes on this model: '{value.Name}' is a Float16 initializer that is a graph input as well, and Cast converts it for one operator. Take it from the graph's inputs, or store it as Float.") with { File = model.SourcePath });
        }
    }

    private static bool IsReplaced(Node node) =>
        node.Is("Cast") && node.GetInt("to", 0) is (long)DataType.Float or (long)DataType.Double && node.Output() is { Uses.Count: 1, IsGraphOutput: false };
}
