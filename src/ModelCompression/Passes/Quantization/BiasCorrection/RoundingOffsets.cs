using ModelCompression.Analysis.Views;
using ModelCompression.Numerics.NBits;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Passes.Quantization.Equalization;
using ModelCompression.Passes.Simplification;
using ModelCompression.Statistics;

namespace ModelCompression.Passes.Quantization.BiasCorrection;

/// <summary>Lets convolutions keep the mean of their outputs when their weights are rounded, without data: what they meet on average is learnt from made-up inputs.</summary>
/// <remarks>
/// Codes move to second-nearest levels until Σ_k m_k · (w_ok − ŵ_ok) is about 0 for every output channel o, m_k the mean input of element k; what is left goes into the bias (Nagel et al.,
/// "Data-Free Quantization through Weight Equalization and Bias Correction", ICCV 2019, section 4.2, where means follow from normalization parameters). What a convolution meets inside a network
/// depends little on the picture: it is set by biases, normalization and rectification. The operands of matrix products, such as what attention or a classifier sees, do depend on it; these are
/// left alone. With calibration data <see cref="CorrectBiases"/> measures shifts instead.
/// </remarks>
/// <param name="model">The model before its weights change.</param>
/// <param name="settings">Settings.</param>
/// <param name="inputs">Made-up inputs; null for none.</param>
internal sealed class RoundingOffsets(Model model, CompressionSettings settings, IStatisticsSource? inputs)
{
    /// <summary>Means settle with the first pictures; more of them changed nothing on ten published models.</summary>
    private const int MostSamples = 1;

    /// <summary>From here on the run begins before it is known whether rounding needs it: it nearly always does in networks of so many layers, and takes the time of planning.</summary>
    private const int MinLayersAhead = 8;

    private readonly GraphScope scope = GraphScope.Of(model).First();
    private readonly Dictionary<int, MeetingLayer> layers = [];
    private readonly StatisticsPlan statistics = new() { SampleLimit = MostSamples };
    private readonly List<BiasedLayer> newlyBiased = [];
    private readonly HashSet<Node> withoutBias = new(ReferenceEqualityComparer.Instance);
    private BackgroundRun? run;

    /// <summary>Layers that will get a bias of their own: they have none yet, or share it with others.</summary>
    public IReadOnlyList<BiasedLayer> NewlyBiased => newlyBiased;

    /// <summary>Those that had none when they were found.</summary>
    public IReadOnlySet<Node> WithoutBias => withoutBias;

    /// <summary>Bytes of these biases.</summary>
    public long AddedByteLength { get; private set; }

    /// <summary>Finds the layers among the weights that will be rounded.</summary>
    /// <param name="decisions">What was decided for each weight.</param>
    public void Find(IReadOnlyList<WeightDecision> decisions)
    {
        if (inputs is null || inputs.SampleCount == 0) return;
        for (int i = 0; i < decisions.Count; i++)
        {
            if (decisions[i].Plan is not { IsAdaptive: true } plan || TryFind(plan) is not { } layer) continue;
            var bias = layer.Biased.Bias.Node.Input(layer.Biased.Bias.Index);
            if (bias?.Uses.Count != 1)
            {
                // Where bytes come first, 2 % of a small network for biases gain nothing that its other layers have not gained.
                if (plan.Options.Preset == Preset.Smallest) continue;
                newlyBiased.Add(layer.Biased);
                if (bias is null) withoutBias.Add(layer.Biased.Bias.Node);
                AddedByteLength += ByteLengthOfBias(layer.Biased.Layer.OutputChannels, plan);
            }

            layers.Add(i, layer);
        }

        if (layers.Count >= MinLayersAhead) Start();
    }

    /// <summary>Lets weights be rounded for their inputs, or gives up. The model must not be edited until <see cref="Apply"/>.</summary>
    /// <param name="decisions">What was decided for each weight.</param>
    /// <param name="isWorthIt">False when rounding leaves so little noise that nothing need be done about it.</param>
    public WeightDecision[] Ask(WeightDecision[] decisions, bool isWorthIt)
    {
        if (!isWorthIt) layers.Clear();
        else if (layers.Count > 0) Start();
        return [.. decisions.Select((d, i) => layers.TryGetValue(i, out var layer) ? d with { Plan = d.Plan! with { Offsets = new(() => Means(layer), layer.Biased.Layer.OutputChannels) } } : d)];
    }

    /// <summary>Shifts biases by what the encoded weights leave; true when there was anything to shift.</summary>
    /// <param name="decisions">The decisions of <see cref="Ask"/>.</param>
    /// <param name="passName">The pass.</param>
    /// <param name="log">Takes what was done.</param>
    public bool Apply(WeightDecision[] decisions, string passName, PassLog log)
    {
        run?.Wait();
        bool any = false;
        foreach (var (i, layer) in layers)
        {
            float[] shift = decisions[i].Plan!.Offsets!.Values;
            if (!Array.Exists(shift, s => s != 0) || !Array.TrueForAll(shift, float.IsFinite)) continue;
            layer.Biased.Shift(shift, scope);
            any = true;
            log.Applied(passName, layer.Biased.Layer.Node.DisplayName, FormattableString.Invariant($"filters rounded for the mean of made-up inputs, bias shifted by up to {shift.Max(Math.Abs):G3}"));
        }

        return any;
    }

    private void Start()
    {
        if (run is null && layers.Values.Any(l => inputs!.Record?.Has(KeyOf(l)) != true)) run = BackgroundRun.Start(model, inputs!, statistics);
    }

    private MeetingLayer? TryFind(WeightPlan plan)
    {
        var node = plan.Site.Node;
        if (!node.Is("Conv") || plan.Site.Uses.Count != 1 || plan.Site.Uses[0].InputIndex != 1 || settings.For(node).BiasCorrection == false) return null;
        if (!ConvView.TryFrom(node, out var view) || !StatisticsPlan.CanObserve(view.Input, model) || !ScalableLayer.TryFrom(node, scope, out var layer, out _)) return null;
        if (BiasedLayer.TryFrom(layer, depth: 0, scope, out _) is not { } biased) return null;
        return new(view, biased, statistics.Need(view.Input, ChannelStatistic.Key(1), () => new ChannelStatistic(1)));
    }

    private static long ByteLengthOfBias(int channels, WeightPlan plan) => channels >= BiasPlanner.MinElements
        ? StoredSize.OfJoinedHalves(channels, plan.Names, plan.Target)
        : StoredSize.OfConstant(DataType.Float, [channels], plan.Names.ByteLength, plan.Target.UsesConstantNodes);

    private static string KeyOf(MeetingLayer layer) => $"mean inputs of {layer.Biased.Output.Name}";

    /// <summary>Means for every element of a filter, group after group.</summary>
    private float[]? Means(MeetingLayer layer)
    {
        // Their last bits depend on the processor, so builds on others take those of the record.
        float[]? channels = inputs!.Record is { } record ? record.Numbers(KeyOf(layer), layer.View.InputChannels, () => Measured(layer)) : Measured(layer);
        if (channels is null || !Array.TrueForAll(channels, float.IsFinite)) return null;
        int taps = (int)layer.View.Window.Kernel.Aggregate(1L, (a, b) => a * b);
        float[] means = new float[channels.Length * taps];
        for (int c = 0; c < channels.Length; c++) means.AsSpan(c * taps, taps).Fill(channels[c]);
        return means;
    }

    private float[]? Measured(MeetingLayer layer)
    {
        run?.Wait();
        var met = layer.Met;
        return met.IsUsable && met.Channels == layer.View.InputChannels ? Array.ConvertAll(met.Means, m => MeanInput.Rounded((float)m)) : null;
    }

    /// <summary>A convolution, its bias, and what is learnt of its input.</summary>
    private sealed record MeetingLayer(ConvView View, BiasedLayer Biased, ChannelStatistic Met);
}
