using System.Numerics;

namespace ModelCompression.Passes.Training;

/// <summary>Adam (Kingma and Ba, ICLR 2015): steps of the mean gradient over the root of the mean squared gradient, both decaying averages corrected for their start at zero.</summary>
/// <param name="weights">The weights; changed in place.</param>
/// <param name="masks">Per weight 0 where an element stays as it is, else 1; null to change all.</param>
internal sealed class AdamOptimizer(float[][] weights, float[]?[] masks)
{
    private const float Beta1 = 0.9f;
    private const float Beta2 = 0.999f;
    private const float Epsilon = 1e-8f;
    private const int ChunkLength = 1 << 15;

    private readonly float[][] means = Array.ConvertAll(weights, w => new float[w.Length]);
    private readonly float[][] squares = Array.ConvertAll(weights, w => new float[w.Length]);
    private readonly (int Weight, int Start)[] chunks =
        [.. weights.SelectMany((w, i) => Enumerable.Range(0, (w.Length + ChunkLength - 1) / ChunkLength).Select(c => (i, c * ChunkLength)))];

    private int steps;

    /// <summary>Takes a step against the gradients.</summary>
    public void Step(float[][] gradients, double learningRate)
    {
        steps++;
        double correction = Math.Sqrt(1 - Math.Pow(Beta2, steps)) / (1 - Math.Pow(Beta1, steps));
        float rate = (float)(learningRate * correction);
        float epsilon = Epsilon * (float)Math.Sqrt(1 - Math.Pow(Beta2, steps));
        Parallel.ForEach(chunks, chunk =>
        {
            var (w, start) = chunk;
            int length = Math.Min(ChunkLength, weights[w].Length - start);
            Update(weights[w].AsSpan(start, length), gradients[w].AsSpan(start, length), means[w].AsSpan(start, length), squares[w].AsSpan(start, length),
                masks[w] is { } mask ? mask.AsSpan(start, length) : default, rate, epsilon);
        });
    }

    private static void Update(Span<float> weight, ReadOnlySpan<float> gradient, Span<float> mean, Span<float> square, ReadOnlySpan<float> mask, float rate, float epsilon)
    {
        int i = 0;
        for (; i <= weight.Length - Vector<float>.Count; i += Vector<float>.Count)
        {
            var g = new Vector<float>(gradient[i..]);
            if (!mask.IsEmpty) g *= new Vector<float>(mask[i..]);
            var m = (new Vector<float>(mean[i..]) * Beta1) + (g * (1 - Beta1));
            var v = (new Vector<float>(square[i..]) * Beta2) + (g * g * (1 - Beta2));
            m.CopyTo(mean[i..]);
            v.CopyTo(square[i..]);
            (new Vector<float>(weight[i..]) - (m * rate / (Vector.SquareRoot(v) + new Vector<float>(epsilon)))).CopyTo(weight[i..]);
        }

        for (; i < weight.Length; i++)
        {
            float g = mask.IsEmpty ? gradient[i] : gradient[i] * mask[i];
            mean[i] = (mean[i] * Beta1) + (g * (1 - Beta1));
            square[i] = (square[i] * Beta2) + (g * g * (1 - Beta2));
            weight[i] -= mean[i] * rate / (MathF.Sqrt(square[i]) + epsilon);
        }
    }
}
