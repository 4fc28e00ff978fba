using ModelCompression.Data;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Statistics;

namespace ModelCompression.Runtime.Calibration;

/// <summary>The tensors of one sample, and the measuring of them.</summary>
internal sealed class SampleTensors(WantedTensors wanted, Sample sample, RunOutputs outputs, int index)
{
    /// <summary>A sample with the values that a plan has for other inputs.</summary>
    public static Sample Completed(Sample sample, StatisticsPlan plan) =>
        plan.Inputs.Count == 0 ? sample : sample with { Inputs = [.. sample.Inputs, .. plan.Inputs.Select(i => new NamedValue(i.Key.Name, new TensorValue(i.Value)))] };

    /// <summary>Measures what can be measured out of order.</summary>
    public object?[] MeasureAll(StatisticsPlan plan)
    {
        object?[] partials = new object?[plan.Single.Count];
        // Backwards: what was computed last is still in the processor's cache.
        for (int i = partials.Length - 1; i >= 0; i--)
        {
            (var tensor, var statistic) = plan.Single[i];
            if (!statistic.MeasuresInOrder && TryView(tensor, out var view)) partials[i] = statistic.Measure(view);
        }

        return partials;
    }

    /// <summary>Measures the rest and merges; called in sample order.</summary>
    public void Merge(StatisticsPlan plan, object?[] partials)
    {
        for (int i = 0; i < partials.Length; i++)
        {
            (var tensor, var statistic) = plan.Single[i];
            if (TryView(tensor, out var view)) statistic.Add(statistic.MeasuresInOrder ? statistic.Measure(view) : partials[i]);
        }

        foreach (var (x, y, statistic) in plan.Pairs)
            if (TryView(x, out var left) && TryView(y, out var right)) statistic.Add(left, right);
    }

    private bool TryView(Value value, out TensorView view)
    {
        if (wanted.PositionOf(value) is >= 0 and var position) return outputs.TryView(position, index, out view);
        var tensor = value.TryGetConstant(out var constant) ? constant : (sample.Inputs.FirstOrDefault(i => i.Name == value.Name)?.Value as TensorValue)?.Tensor;
        view = default;
        if (tensor is null || !(value.IsGraphInput || constant is not null) || !tensor.DataType.IsFloatingPoint()) return false;
        view = new(tensor.DataType == DataType.Float ? tensor.AsSpan<float>() : TensorFloats.Of(tensor), tensor.Dims, index);
        return true;
    }
}
