using ModelCompression.Onnx.Graph;
using ModelCompression.Options;

namespace ModelCompression.Passes.Simplification;

/// <summary>Removes attributes that only say what their absence would mean: exporters write strides of 1, dilations of 1 and pads of 0 at every convolution, seventy bytes each time.</summary>
/// <remarks>Works on operators of ONNX's domain from opset 11 on; see <see cref="DefaultAttributes"/>. Outputs are the same.</remarks>
public sealed class RemoveDefaultAttributes : ModelPass
{
    /// <inheritdoc/>
    protected override void Apply(Model model, CompressionSettings settings, PassLog log)
    {
        Remove(model.Graph, model.OpsetImports.Onnx, log);
        foreach (var function in model.Functions) Remove(function.Body, function.OpsetImports.Onnx, log);
    }

    private void Remove(OnnxGraph graph, long opset, PassLog log)
    {
        if (opset < DefaultAttributes.FirstOpset) return;
        foreach (var node in graph.AllNodes().Where(n => n.IsOnnxDomain))
        {
            string[] removed = [.. node.Attributes.Where(a => DefaultAttributes.IsDefault(node, a)).Select(a => a.Name)];
            if (removed.Length == 0) continue;
            foreach (string name in removed) node.RemoveAttribute(name);
            log.Applied(Name, node.DisplayName, $"{string.Join(", ", removed)}: the default");
        }
    }
}
