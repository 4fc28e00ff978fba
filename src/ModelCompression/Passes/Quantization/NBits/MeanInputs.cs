using ModelCompression.Analysis;
using ModelCompression.Numerics.NBits;
using ModelCompression.Onnx.Graph;
using ModelCompression.Options;
using ModelCompression.Statistics;

namespace ModelCompression.Passes.Quantization.NBits;

/// <summary>The mean inputs of weights that are rounded without Gram matrices, measured in one run over a few samples.</summary>
/// <param name="model">The model as it is before the weights change.</param>
/// <param name="source">Calibration data, or inputs made up from noise; null for none.</param>
/// <param name="isMadeUp">True for inputs made up from noise.</param>
internal sealed class MeanInputs(Model model, IStatisticsSource? source, bool isMadeUp = false)
{
    private const int MostSamples = 32;
    private const int RowsPerSample = 256;

    private readonly StatisticsPlan statistics = new() { SampleLimit = MostSamples };
    private readonly Dictionary<int, MeanRowStatistic> wanted = [];
    private IReadOnlyList<NBitPlan> plans = [];
    private BackgroundRun? run;

    /// <summary>True for weights whose rounding can use the mean input.</summary>
    private static bool CanUse(NBitPlan plan) =>
        plan.Codes.Bits <= 6 && plan.Options.QuantizationAlgorithm is QuantizationAlgorithm.RoundToNearest or QuantizationAlgorithm.Hqq && plan.Codes.Kind != GroupCodeKind.PowerOfTwo;

    /// <summary>Begins the run on a thread of its own. The model must not be edited until every mean has been asked for.</summary>
    public void Start(IReadOnlyList<NBitPlan> plans)
    {
        this.plans = plans;
        if (source is null || source.SampleCount == 0) return;
        for (int i = 0; i < plans.Count; i++)
        {
            if (!CanUse(plans[i]) || LayerInputs.Of(plans[i], model).Inputs is not { } inputs || (isMadeUp && IsNoise(plans[i], inputs))) continue;
            wanted.Add(i, statistics.Need(inputs.Tensor, MeanRowStatistic.Key(inputs.Rows, RowsPerSample), () => new MeanRowStatistic(inputs.Rows, RowsPerSample)));
        }

        if (wanted.Count > 0) run = BackgroundRun.Start(model, source, statistics);
    }

    /// <summary>Waits until the model may be edited, also when no mean was asked for, as with weights that are not finite.</summary>
    public void Finish() => run?.Wait();

    /// <summary>True for a matrix that is multiplied with made-up values themselves: which of its columns meet large ones is made up too. What a convolution meets is alike everywhere.</summary>
    private static bool IsNoise(NBitPlan plan, LayerInputs inputs)
    {
        var value = inputs.Tensor;
        while (value is { IsGraphInput: false, Producer: { OpType: "Reshape" or "Flatten" or "Transpose" or "Squeeze" or "Unsqueeze" or "Cast" or "Identity" } node } && node.Input(0) is { } before) value = before;
        return value.IsGraphInput && plan.Use.Role is (WeightRole.MatrixProduct or WeightRole.Recurrent);
    }

    /// <summary>True if there may be a mean input for a weight.</summary>
    public bool IsWanted(int plan) => wanted.ContainsKey(plan);

    /// <summary>Mean inputs of a weight by group of its rows; waits for the run. Null when there are none to be had.</summary>
    public MeanInput?[]? Of(int plan, int length)
    {
        if (!wanted.TryGetValue(plan, out var statistic)) return null;
        float[]? Measure()
        {
            run!.Wait();
            return statistic.RowCount == 0 || statistic.Width != length || !statistic.IsConsistent ? null : [.. Enumerable.Range(0, statistic.Groups).SelectMany(g => Make(statistic, g))];
        }

        // The sums behind means depend on the processor, so builds on others take those of the record.
        float[]? numbers = source!.Record is { } record ? record.Numbers($"mean inputs of {plans[plan].Site.Value.Name}", statistic.Groups * (length + 1), Measure) : Measure();
        return numbers is null ? null : [.. numbers.Chunk(length + 1).Select(n => n[length] < 0 ? null : new MeanInput(n[..length], n[length]) { IsMadeUp = isMadeUp })];
    }

    /// <summary>Means and variance of a group; a negative variance when there are none to be had.</summary>
    private static float[] Make(MeanRowStatistic statistic, int group)
    {
        double[] means = new double[statistic.Width];
        for (int k = 0; k < means.Length; k++) means[k] = statistic.Mean(group, k);
        var input = MeanInput.Of(means, statistic.Energy(group), statistic.RowCount);
        return input is null ? [.. new float[means.Length], -1] : [.. input.Means, input.Variance];
    }
}
