using System.Diagnostics.CodeAnalysis;
using ModelCompression.Analysis.Shapes;
using ModelCompression.Onnx.Graph;

namespace ModelCompression.Analysis.Views;

/// <summary>What a pooling window yields.</summary>
public enum PoolKind
{
    /// <summary>The largest element.</summary>
    Max,

    /// <summary>The mean.</summary>
    Average,

    /// <summary>The p-norm.</summary>
    LpNorm,
}

/// <summary><c>MaxPool</c>, <c>AveragePool</c>, <c>LpPool</c> or one of their global forms, with all defaults applied.</summary>
/// <param name="Node">The node.</param>
/// <param name="Input">x [N, C, spatial…].</param>
/// <param name="Kind">What a window yields.</param>
/// <param name="Window">Kernel, strides, dilations, padding; null for the global forms, whose window is the whole input.</param>
/// <param name="CeilMode">True if a last, incomplete window counts.</param>
/// <param name="CountIncludePad">Average: true if padding counts as elements.</param>
/// <param name="P">LpNorm: the exponent.</param>
public sealed record PoolView(Node Node, Value Input, PoolKind Kind, WindowGeometry? Window, bool CeilMode, bool CountIncludePad, int P)
{
    /// <summary>True for the global forms.</summary>
    public bool IsGlobal => Window is null;

    /// <summary>Sees <paramref name="node"/> as a pooling operator.</summary>
    public static bool TryFrom(Node node, [NotNullWhen(true)] out PoolView? view)
    {
        view = null;
        if (!node.IsOnnxDomain || node.Input(0) is not { } input) return false;
        PoolKind? kind = node.OpType switch
        {
            "MaxPool" or "GlobalMaxPool" => PoolKind.Max,
            "AveragePool" or "GlobalAveragePool" => PoolKind.Average,
            "LpPool" or "GlobalLpPool" => PoolKind.LpNorm,
            _ => null,
        };
        var attributes = new NodeAttributes(node);
        if (kind is null || attributes.HasUnboundReference) return false;
        WindowGeometry? window = null;
        if (!node.OpType.StartsWith("Global", StringComparison.Ordinal))
        {
            if (attributes.Ints("kernel_shape") is not { } kernel || WindowGeometry.Read(attributes, kernel) is not { } read) return false;
            window = read;
        }

        view = new(node, input, kind.Value, window, attributes.Int("ceil_mode", 0) != 0, attributes.Int("count_include_pad", 0) != 0, (int)attributes.Int("p", 2));
        return true;
    }
}
