using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Statistics;

namespace ModelCompression.Passes.Quantization.BiasCorrection;

/// <summary>Measures by how much the biases of a quantized model should be shifted, layer by layer from the input on.</summary>
/// <remarks>
/// Every layer of the quantized model gets an addition behind it whose summand is an input of the model, 0 at first. So the model need not be edited and opened again for what has been found for one
/// depth to be there in the run for the next, and what lies before that depth need not be computed again.
/// </remarks>
/// <param name="model">The float model.</param>
/// <param name="quantized">What the quantizers made of a copy; it is edited.</param>
/// <param name="statistics">Calibration data.</param>
internal sealed class ShiftMeasurement(Model model, Model quantized, IStatisticsSource statistics)
{
    /// <summary>Operations that all runs together should take, which bounds the samples per run. Differences of means on the same samples settle after a few.</summary>
    private const double MaxMacs = 4e10;

    private const int FewestSamples = 4;

    private const int MostSamples = 256;

    /// <summary>Shifts per channel of the layers that can be observed in both models.</summary>
    /// <param name="layers">The layers to correct.</param>
    /// <param name="all">All layers, which tell what a run costs.</param>
    public Dictionary<BiasedLayer, float[]> Run(IEnumerable<BiasedLayer> layers, IReadOnlyList<BiasedLayer> all)
    {
        var values = new Dictionary<string, Value>(StringComparer.Ordinal);
        foreach (var value in quantized.Graph.Nodes.SelectMany(n => n.Outputs).OfType<Value>()) values[value.Name] = value;
        ObservedLayer[] observed = [.. layers.Select(l => ObservedLayer.TryFrom(l, values)).OfType<ObservedLayer>()];
        var shifts = new Dictionary<BiasedLayer, float[]>();
        if (observed.Length == 0) return shifts;

        var (wanted, samples) = MeasureWanted(observed, all);
        var inputs = observed.ToDictionary(l => l, AddShift);
        var current = observed.ToDictionary(l => inputs[l], l => Tensor.Float(l.Layer.ChannelShape, new float[l.Layer.Layer.OutputChannels]));
        var waves = observed.GroupBy(l => l.Layer.Depth).OrderBy(g => g.Key).ToArray();
        statistics.CollectInTurn(quantized, [.. waves.Select(w => new CollectionTurn([.. w.Select(l => l.Actual)], [.. w.Select(l => inputs[l])]))], Plans());
        return shifts;

        IEnumerable<StatisticsPlan> Plans()
        {
            foreach (var wave in waves)
            {
                var plan = new StatisticsPlan { SampleLimit = samples, Inputs = current };
                var differences = wave.ToDictionary(l => l, l => plan.Need(l.Actual, MeanDifferenceStatistic.Key(l.Layer.Axis), () => new MeanDifferenceStatistic(l.Layer.Axis, wanted[l].Means)));
                yield return plan;
                foreach (var layer in wave)
                {
                    if (MeanShift.Of(differences[layer], layer.Layer.Layer.OutputChannels, wanted[layer].Slopes?.Means) is not { } found) continue;
                    float[] shift = Array.ConvertAll(found, s => (float)s);
                    shifts.Add(layer.Layer, shift);
                    current[inputs[layer]] = Tensor.Float(layer.Layer.ChannelShape, shift);
                }
            }
        }
    }

    /// <summary>Means of the float model, over as many samples as the runs to come can afford.</summary>
    private (Dictionary<ObservedLayer, (SampleMeansStatistic Means, SlopeStatistic? Slopes)> Wanted, int Samples) MeasureWanted(ObservedLayer[] layers, IReadOnlyList<BiasedLayer> all)
    {
        var wanted = new Dictionary<ObservedLayer, (SampleMeansStatistic, SlopeStatistic?)>();
        int depths = layers.Select(l => l.Layer.Depth).Distinct().Count(), samples = 0;
        statistics.CollectInTurn(model, [.. layers.Select(l => l.Wanted).Concat(all.Select(l => l.Output)).Distinct()], Plans());
        return (wanted, samples);

        IEnumerable<StatisticsPlan> Plans()
        {
            var first = new StatisticsPlan { SampleLimit = 1 };
            var sizes = all.ToDictionary(l => l, l => NeedMeans(first, l.Output, l));
            yield return first;
            samples = (int)Math.Clamp(MaxMacs / (1 + (depths * sizes.Sum(s => (double)s.Value.Count * s.Key.Layer.Tensor.ElementCount))), FewestSamples, MostSamples);
            var plan = new StatisticsPlan { SampleLimit = samples };
            foreach (var layer in layers)
                wanted[layer] = (NeedMeans(plan, layer.Wanted, layer.Layer), layer.Segments is { } s ? plan.Need(layer.Wanted, SlopeStatistic.Key(layer.Layer.Axis, s), () => new SlopeStatistic(layer.Layer.Axis, s)) : null);
            yield return plan;
        }
    }

    private static SampleMeansStatistic NeedMeans(StatisticsPlan plan, Value tensor, BiasedLayer layer) =>
        plan.Need(tensor, SampleMeansStatistic.Key(layer.Axis), () => new SampleMeansStatistic(layer.Axis));

    /// <summary>Adds an input of the quantized model to a layer's output.</summary>
    private Value AddShift(ObservedLayer layer)
    {
        var (graph, output) = (quantized.Graph, layer.Output);
        var uses = output.Uses.ToArray();
        var input = graph.AddInput(graph.NewName(output.Name + "_shift"), new TensorType(DataType.Float, Shape.Of(layer.Layer.ChannelShape)));
        var shifted = graph.AddNode("Add", [output, input], [graph.NewName(output.Name + "_shifted")], index: graph.IndexOf(output.Producer!) + 1).Outputs[0]!;
        shifted.Type = output.Type;
        foreach (var use in uses) use.Node.SetInput(use.Index, shifted);
        if (output.IsGraphOutput) graph.ReplaceOutput(output, shifted);
        return input;
    }
}
