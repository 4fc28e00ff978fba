using ModelCompression.Onnx.Graph;
using ModelCompression.Options;
using ModelCompression.Passes.Quantization.Equalization;
using ModelCompression.Passes.Simplification;
using ModelCompression.Statistics;

namespace ModelCompression.Passes.Quantization.BiasCorrection;

/// <summary>
/// Quantization shifts the mean of a layer's outputs; this pass shifts its bias back, layer by layer from the input on: <c>BiasCorrection=true</c>. It runs before the
/// passes that quantize, and lets these quantize a copy to learn what they will do.
/// </summary>
/// <remarks>
/// b_c += E[y_c] − E[ŷ_c], y the output of the float model and ŷ that of the quantized model whose earlier layers are corrected already, E over calibration samples and
/// positions (Nagel et al., "Data-Free Quantization through Weight Equalization and Bias Correction", ICCV 2019, section 4.2, empirical form). Layers of the same depth
/// do not depend on each other and are corrected in one run. Where Relu or Clip follows, y is what that returns. See <see cref="MeanShift"/> for how chance is kept out.
/// </remarks>
/// <param name="statistics">Calibration data.</param>
/// <param name="quantizers">Makes the passes that will quantize.</param>
/// <param name="isCorrected">True for layers whose biases the quantizers have corrected themselves, which only an explicit <c>BiasCorrection=true</c> corrects further; null for none.</param>
public sealed class CorrectBiases(IStatisticsSource statistics, Func<IEnumerable<ModelPass>> quantizers, Func<Node, bool>? isCorrected = null) : ModelPass
{
    /// <summary>Weights times runs above which only an explicit <c>BiasCorrection=true</c> starts: every run opens a session of the whole model.</summary>
    private const long MaxDefaultByteLength = 2L << 30;

    /// <inheritdoc/>
    protected override void Apply(Model model, CompressionSettings settings, PassLog log)
    {
        var scope = GraphScope.Of(model).First();
        var layers = Find(scope, settings, log);
        if (layers.Count == 0 || WhyTooLong(layers, settings) is { } reason && Refuse(layers, reason, log)) return;
        var record = statistics.Record ?? new MeasurementRecord();
        // What an earlier build has found makes the whole rehearsal needless.
        var shifts = layers.TrueForAll(l => record.Has(KeyOf(l))) ? [] : Measure(layers, model, settings);
        foreach (var layer in layers)
        {
            int channels = layer.Layer.OutputChannels;
            if (record.Numbers(KeyOf(layer), channels, () => shifts.GetValueOrDefault(layer)) is { } shift) Write(layer, shift, scope, log);
            else log.Refused(Name, layer.Layer.Node.DisplayName, record.Words($"why no {KeyOf(layer)}", () => WhyNot(layer)));
        }
    }

    /// <summary>Known after the rehearsal only; a run that takes its shifts from a record takes the reasons from there, too.</summary>
    private string WhyNot(BiasedLayer layer) => isCorrected?.Invoke(layer.Layer.Node) == true
        ? "its bias makes up for the rounding of its weights; BiasCorrection=true corrects it further"
        : "bias not corrected: its output cannot be observed in both models";

    private static string KeyOf(BiasedLayer layer) => $"bias shift of {layer.Output.Name}";

    /// <summary>Quantizes a copy and compares means.</summary>
    private Dictionary<BiasedLayer, float[]> Measure(List<BiasedLayer> layers, Model model, CompressionSettings settings)
    {
        var copy = ModelCopy.Of(model).Model;
        foreach (var pass in quantizers()) pass.Run(copy, settings, new PassLog());
        bool IsDone(BiasedLayer layer) => isCorrected?.Invoke(layer.Layer.Node) == true && settings.For(layer.Layer.Node).BiasCorrection != true;
        return new ShiftMeasurement(model, copy, statistics).Run(layers.Where(l => !IsDone(l)), layers);
    }

    private List<BiasedLayer> Find(GraphScope scope, CompressionSettings settings, PassLog log)
    {
        var layers = new Dictionary<Node, ScalableLayer>(ReferenceEqualityComparer.Instance);
        foreach (var node in scope.Graph.Nodes)
        {
            var options = settings.For(node);
            bool quantizes = options.Quantization is QuantizationMode.WeightOnly or QuantizationMode.Dynamic or QuantizationMode.Static;
            if (!quantizes || options.BiasCorrection == false || settings.ReasonToSkip(node) is not null) continue;
            if (ScalableLayer.TryFrom(node, scope, out var layer, out string? reason)) layers.Add(node, layer);
            else if (reason is not null) log.Refused(Name, node.DisplayName, $"bias not corrected: {reason}");
        }

        var depths = new LayerDepths(scope.Graph, layers.ContainsKey);
        var found = new List<BiasedLayer>();
        foreach (var node in scope.Graph.Nodes)
        {
            if (!layers.TryGetValue(node, out var layer)) continue;
            if (BiasedLayer.TryFrom(layer, depths.Of(node), scope, out string reason) is { } biased) found.Add(biased);
            else log.Refused(Name, node.DisplayName, $"bias not corrected: {reason}");
        }

        return found;
    }

    private static string? WhyTooLong(List<BiasedLayer> layers, CompressionSettings settings)
    {
        long bytes = layers.Sum(l => l.Layer.Tensor.ByteLength);
        int runs = layers.Select(l => l.Depth).Distinct().Count();
        if (bytes * runs <= MaxDefaultByteLength || layers.Exists(l => settings.For(l.Layer.Node).BiasCorrection == true)) return null;
        return FormattableString.Invariant($"bias not corrected: {runs} runs of a model with {bytes >> 20} MiB of weights would take long; BiasCorrection=true does it");
    }

    private bool Refuse(List<BiasedLayer> layers, string reason, PassLog log)
    {
        foreach (var layer in layers) log.Refused(Name, layer.Layer.Node.DisplayName, reason);
        return true;
    }

    private void Write(BiasedLayer layer, float[] shift, GraphScope scope, PassLog log)
    {
        layer.Shift(shift, scope);
        log.Applied(Name, layer.Layer.Node.DisplayName, FormattableString.Invariant($"bias shifted by up to {shift.Max(Math.Abs):G3}"));
    }
}
