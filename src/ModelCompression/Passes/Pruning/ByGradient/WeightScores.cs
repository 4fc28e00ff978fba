using ModelCompression.Numerics;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;

namespace ModelCompression.Passes.Pruning.ByGradient;

/// <summary>Turns gradient statistics of single weights into scores; the lowest go first. docs/gradient-pruning.md has the formulas.</summary>
internal static class WeightScores
{
    /// <summary>Scores of a weight of any floating point type as binary32, greater than zero so that zero can mean removed.</summary>
    public static Tensor Of(PruningCriterion criterion, Tensor weight, GradientMoments moments)
    {
        var scores = new float[weight.ElementCount];
        var elements = FloatElements.AsFloat(weight);
        Parallel.For(0, (scores.Length + WeightElements.ChunkLength - 1) / WeightElements.ChunkLength, chunk =>
        {
            var w = elements.AsSpan<float>();
            for (int i = chunk * WeightElements.ChunkLength, end = Math.Min(i + WeightElements.ChunkLength, scores.Length); i < end; i++)
            {
                float gradient = criterion == PruningCriterion.Taylor ? MathF.Sqrt(moments.MeanSquare(i)) : MathF.Max(MathF.Abs(moments.Mean[i]), moments.Deviation(i));
                scores[i] = MathF.Max(MathF.Abs(w[i]) * gradient, float.Epsilon);
            }
        });
        return Tensor.Float(weight.Dims, scores);
    }

    /// <summary>Scores that are smallest where mean and deviation of the gradient are within thresholds, else 1.</summary>
    public static Tensor ByThresholds(Tensor weight, GradientMoments moments, double meanThreshold, double deviationThreshold)
    {
        var scores = new float[weight.ElementCount];
        for (int i = 0; i < scores.Length; i++) scores[i] = Math.Abs(moments.Mean[i]) <= meanThreshold && moments.Deviation(i) <= deviationThreshold ? float.Epsilon : 1;
        return Tensor.Float(weight.Dims, scores);
    }
}
