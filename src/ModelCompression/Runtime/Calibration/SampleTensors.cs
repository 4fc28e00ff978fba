using System.Buffers;
using System.Numerics.Tensors;
using ModelCompression.Data;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Statistics;
using Tensor = ModelCompression.Onnx.Tensors.Tensor;

namespace ModelCompression.Runtime.Calibration;

/// <summary>The tensors of one sample, and the measuring of them.</summary>
internal sealed class SampleTensors(WantedTensors wanted, Sample sample, RunOutputs outputs, int index)
{
    /// <summary>The values that a plan has for inputs of which samples have none.</summary>
    public static IReadOnlyList<NamedValue> Others(StatisticsPlan plan) => [.. plan.Inputs.Select(i => new NamedValue(i.Key.Name, new TensorValue(i.Value)))];

    /// <summary>A sample with values for other inputs.</summary>
    public static Sample Completed(Sample sample, IReadOnlyList<NamedValue> others) => others.Count == 0 ? sample : sample with { Inputs = [.. sample.Inputs, .. others] };

    /// <summary>Refuses a sample with a NaN or an infinity from which NaN or infinities spread to what is wanted. An infinity that stays where it is, such as −∞ in a mask that is added, is fine.</summary>
    /// <exception cref="DiagnosticException">MCB3022: the sample cannot be used.</exception>
    public void RequireNumbers(StatisticsPlan plan)
    {
        if (sample.NotFiniteInput is not { } input) return;
        foreach (var tensor in plan.Single.Select(s => s.Tensor).Concat(plan.Pairs.SelectMany(p => new[] { p.X, p.Y })))
        {
            if (!TryView(tensor, out var view) || view.Data.IsEmpty || TensorPrimitives.Max(view.Data) is < float.PositiveInfinity) continue;
            throw new DiagnosticException("MCB3022", FormattableString.Invariant($"Calibration sample {index} has NaN or an infinity in input '{input}', and so has what the model computes from it ('{tensor.Name}'): nothing can be measured with it. Clean the data, or leave the sample out."));
        }
    }

    /// <summary>Measures what can be measured out of order.</summary>
    public object?[] MeasureAll(StatisticsPlan plan)
    {
        object?[] partials = new object?[plan.Single.Count];
        // Backwards: what was computed last is still in the processor's cache.
        for (int i = partials.Length - 1; i >= 0; i--)
        {
            (var tensor, var statistic) = plan.Single[i];
            if (wanted.ReducedOf(tensor) is { } reduced) partials[i] = MeasureReduced(reduced, statistic);
            else if (!statistic.MeasuresInOrder && TryView(tensor, out var view)) partials[i] = statistic.Measure(view);
        }

        return partials;
    }

    /// <summary>Measures the rest and merges; called in sample order.</summary>
    public void Merge(StatisticsPlan plan, object?[] partials)
    {
        for (int i = 0; i < partials.Length; i++)
        {
            (var tensor, var statistic) = plan.Single[i];
            if (wanted.ReducedOf(tensor) is not null) statistic.Add(partials[i]);
            else if (TryView(tensor, out var view)) statistic.Add(statistic.MeasuresInOrder ? statistic.Measure(view) : partials[i]);
        }

        foreach (var (x, y, statistic) in plan.Pairs)
            if (TryView(x, out var left) && TryView(y, out var right)) statistic.Add(left, right);
    }

    private object? MeasureReduced(ReducedTensor reduced, TensorStatistic statistic)
    {
        TensorView highs = default, lows = default;
        if (reduced.Highs is { } high && !TryView(high, out highs)) return null;
        if (reduced.Lows is { } low && !TryView(low, out lows)) return null;
        var shape = reduced.Highs is null ? lows.Shape : highs.Shape;
        int count = Math.Max(highs.Data.Length, lows.Data.Length);
        float[] found = ArrayPool<float>.Shared.Rent(2 * count);
        try
        {
            Span<float> largest = found.AsSpan(0, count), smallest = found.AsSpan(count, count);
            reduced.Fill(highs.Data, lows.Data, largest, smallest);
            return statistic.MeasureExtremes(new(largest, shape, index), new(smallest, shape, index));
        }
        finally
        {
            ArrayPool<float>.Shared.Return(found);
        }
    }

    private Tensor? InputOf(Value value)
    {
        foreach (var input in sample.Inputs)
            if (input.Name == value.Name) return (input.Value as TensorValue)?.Tensor;
        return null;
    }

    private bool TryView(Value value, out TensorView view)
    {
        if (wanted.PositionOf(value) is >= 0 and var position) return outputs.TryView(position, index, out view);
        var tensor = value.TryGetConstant(out var constant) ? constant : InputOf(value);
        view = default;
        if (tensor is null || !(value.IsGraphInput || constant is not null) || !tensor.DataType.IsFloatingPoint()) return false;
        view = new(tensor.DataType == DataType.Float ? tensor.AsSpan<float>() : TensorFloats.Of(tensor), tensor.Dims, index);
        return true;
    }
}
