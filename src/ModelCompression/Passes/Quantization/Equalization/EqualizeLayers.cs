using ModelCompression.Onnx.Graph;
using ModelCompression.Options;
using ModelCompression.Passes.Simplification;

namespace ModelCompression.Passes.Quantization.Equalization;

/// <summary>
/// Divides output channels of a layer and multiplies the matching input channels of the next one, so that channels have similar ranges and share a scale with less
/// loss: <c>Equalization=CrossLayer</c>. The model computes the same function; no data is needed.
/// </summary>
/// <remarks>
/// s_i = √(r1_i / r2_i), with r1_i = max|W1| over output channel i and r2_i = max|W2| over input channel i; W1_i / s_i, b1_i / s_i, W2_i · s_i. Depthwise layers in
/// between belong to two pairs; pairs are visited in turn until nothing changes, which gives three layers the geometric mean of their ranges.
/// Nagel, van Baalen, Blankevoort, Welling: "Data-Free Quantization through Weight Equalization and Bias Correction", ICCV 2019, section 4.1.
/// </remarks>
public sealed class EqualizeLayers : ModelPass
{
    /// <summary>Factors are final when none changes by more than this power of two.</summary>
    private const double Converged = 1e-3;

    private const int MaxRounds = 50;

    /// <inheritdoc/>
    protected override void Apply(Model model, CompressionSettings settings, PassLog log)
    {
        int equalized = GraphScope.Of(model).ToArray().Sum(scope => Apply(scope, settings, log));
        if (equalized == 0) log.Report(EqualizationNotes.NothingChanged(Options.Equalization.CrossLayer, "no two layers in scope follow each other in a way that lets channels be rescaled", log.Edits.Where(e => e.Pass == Name)));
    }

    /// <summary>Equalizes the layers of one graph and returns how many pairs there were.</summary>
    private int Apply(GraphScope scope, CompressionSettings settings, PassLog log)
    {
        var layers = new Dictionary<Node, ScalableLayer>(ReferenceEqualityComparer.Instance);
        foreach (var node in scope.Graph.Nodes)
        {
            if (settings.For(node).Equalization != Options.Equalization.CrossLayer || settings.ReasonToSkip(node) is not null) continue;
            if (ScalableLayer.TryFrom(node, scope, out var layer, out string? reason)) layers.Add(node, layer);
            else if (reason is not null) log.Refused(Name, node.DisplayName, $"not equalized: {reason}");
        }

        var pairs = new List<LayerPair>();
        foreach (var node in scope.Graph.Nodes)
        {
            if (!layers.TryGetValue(node, out var layer)) continue;
            var finder = new PairFinder(scope, layers, settings.For(node).Quantization != QuantizationMode.Static);
            if (finder.TryFind(layer, out string reason) is { } pair) pairs.Add(pair);
            else log.Refused(Name, node.DisplayName, $"not equalized with what follows: {reason}");
        }

        Equalize(pairs);
        foreach (var pair in pairs) Write(pair, scope, log);
        foreach (var layer in layers.Values.Where(l => pairs.Exists(p => p.First == l || p.Second == l))) PerChannelConstant.Exchange(new(layer.Node, 1), layer.Scaled(), scope);
        return pairs.Count;
    }

    private static void Equalize(List<LayerPair> pairs)
    {
        double change = double.MaxValue;
        for (int round = 0; round < MaxRounds && change > Converged; round++)
        {
            change = 0;
            foreach (var pair in pairs) change = Math.Max(change, pair.Equalize());
        }
    }

    private void Write(LayerPair pair, GraphScope scope, PassLog log)
    {
        foreach (var constant in pair.Constants) PerChannelConstant.Divide(constant, pair.Factors, scope);
        foreach (var clip in pair.Clips) ClipRescaling.Rewrite(clip, pair.Factors, pair.First.IsConvolution ? pair.First.Tensor.Rank - 2 : 0, scope);
        string range = FormattableString.Invariant($"{pair.Factors.Min():G3} to {pair.Factors.Max():G3}");
        log.Applied(Name, pair.First.Node.DisplayName, $"channels divided by {range}, those of {pair.Second.Node.DisplayName} multiplied");
    }
}
