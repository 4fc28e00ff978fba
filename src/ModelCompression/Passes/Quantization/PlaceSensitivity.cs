using ModelCompression.Analysis;
using ModelCompression.Onnx.Graph;

namespace ModelCompression.Passes.Quantization;

/// <summary>How much more a relative error counts in each layer, 1 on average over the weights: it falls along the graph, since what is wrong early goes through all that follows.</summary>
internal sealed class PlaceSensitivity
{
    /// <summary>
    /// Sensitivity of the first weight relative to the last: 17 dB. What noise in one layer alone does to the output was measured on real inputs, layer by layer, for the
    /// published models of docs/performance.md: in mobile networks it falls by 10 to 25 dB on the way, in plain stacks of convolutions hardly at all.
    /// </summary>
    private const double FirstToLast = 50;

    /// <summary>
    /// Sensitivity of a filter bank relative to what its place would make it: 15 dB. Sounds have nearly all their energy in a few bands, rounding noise has it in all bands
    /// alike, so the weak bands drown first; and what follows takes their logarithm or normalizes them.
    /// </summary>
    private const double FilterBank = 30;

    /// <summary>Sensitivity of depthwise filters relative to what their place would make it: −7 dB. Errors that add up to zero nearly vanish on smooth pictures.</summary>
    private const double Depthwise = 0.2;

    /// <summary>
    /// Sensitivity of a bias relative to the weights of its layer: 7 dB. It is large where it makes up for the mean of many products, and its error reaches all elements of a channel:
    /// rounded one by one to binary16, the biases of a line detector's first 14 layers lost 0 to 10 dB more than their weights.
    /// </summary>
    private const double Bias = 5;

    /// <summary>Taps from which a filter over one channel is taken for a filter bank's, as in a Fourier transform by convolution.</summary>
    private const int MinFilterBankTaps = 32;

    private readonly Dictionary<Node, double> places = new(ReferenceEqualityComparer.Instance);
    private readonly double mean;

    /// <summary>Finds the places of layers in a model.</summary>
    /// <param name="model">The model.</param>
    /// <param name="sites">Its weights.</param>
    public PlaceSensitivity(Model model, IReadOnlyCollection<WeightSite> sites)
    {
        var order = new Dictionary<Node, int>(ReferenceEqualityComparer.Instance);
        Number(model.Graph, 0);
        foreach (var function in model.Functions) Number(function.Body, 0);
        int[] sorted = [.. sites.Select(s => order[s.Node]).Order()];
        double last = Math.Max(1, sorted.Length - 1);
        foreach (var site in sites) places[site.Node] = Math.Pow(FirstToLast, 1 - (Rank(order[site.Node]) / last));
        mean = sites.Average(s => places[s.Node] * KindFactor(s));

        // Weights at one position (of one node, or in both branches) share a rank: that of the first in sorted order.
        int Rank(int position)
        {
            int at = Array.BinarySearch(sorted, position);
            while (at > 0 && sorted[at - 1] == position) at--;
            return at;
        }

        // Branches of one node lie side by side: only one of them runs.
        int Number(OnnxGraph graph, int position)
        {
            foreach (var node in graph.Nodes)
            {
                order[node] = position++;
                position = node.Subgraphs.Select(subgraph => Number(subgraph, position)).Append(position).Max();
            }

            return position;
        }
    }

    /// <summary>Of a weight.</summary>
    public double Of(WeightSite site) => places[site.Node] * KindFactor(site) / mean;

    /// <summary>Of the bias of a layer; null when the layer has none of the weights.</summary>
    public double? OfBias(Node layer) => places.TryGetValue(layer, out double place) ? place * Bias / mean : null;

    private static double KindFactor(WeightSite site)
    {
        var dims = site.Tensor.Dims;
        if (site.Role != WeightRole.Convolution || dims.Length < 3 || dims[1] != 1) return 1;
        if (site.Node.GetInt("group", 1) > 1) return Depthwise;
        return dims[0] >= MinFilterBankTaps && Math.Max(dims[2], dims[^1]) >= MinFilterBankTaps ? FilterBank : 1;
    }
}
