namespace ModelCompression.Numerics.NBits;

/// <summary>Learns for every element of a row whether it is rounded down or up, so that the layer's outputs change least.</summary>
/// <remarks>
/// With codes ⌊w/s + z⌋ + h(V), h(V) = clamp(σ(V)·(ζ − γ) + γ, 0, 1), ζ = 1.1, γ = −0.1, minimises (w − ŵ)ᵀH(w − ŵ)/mean diag(H) + λ·s²·Σ (1 − |2h − 1|^β) by Adam; β falls from 20 to
/// 2, which drives h to 0 or 1 (Nagel et al., "Up or down? Adaptive rounding for post-training quantization", ICML 2020). H = XᵀX holds all that a layer-wise reconstruction needs
/// of the inputs, so every step sees all of them and nothing is drawn at random. A descent over single elements, each moved by one code while that lowers the error, finishes
/// the job; the result is never worse than the better of GPTQ's and its own.
/// </remarks>
internal sealed class AdaptiveRounding
{
    private const float Stretch = 1.2f;
    private const float Low = -0.1f;
    private const float LearningRate = 0.05f;
    private const float Pull = 0.02f;
    private const double FirstSharpness = 20;
    private const double LastSharpness = 2;
    private const double WarmUp = 0.2;

    private readonly float[] gram;
    private readonly int width;
    private readonly int steps;
    private readonly int highest;
    private readonly CancellationToken cancellation;

    /// <summary>Prepares the inputs' matrix.</summary>
    /// <param name="gram">H, K·K.</param>
    /// <param name="width">K.</param>
    /// <param name="steps">Steps of the relaxation; 0 for the descent alone.</param>
    /// <param name="highest">The highest code.</param>
    /// <param name="cancellation">Stops between steps.</param>
    public AdaptiveRounding(ReadOnlySpan<float> gram, int width, int steps, int highest, CancellationToken cancellation = default)
    {
        this.cancellation = cancellation;
        this.width = width;
        this.steps = steps;
        this.highest = highest;
        double mean = 0;
        for (int i = 0; i < width; i++) mean += gram[(i * width) + i] / (double)width;
        float scale = mean > 0 ? (float)(1 / mean) : 0;
        this.gram = gram.ToArray();
        for (int i = 0; i < this.gram.Length; i++) this.gram[i] *= scale;
        // A hundredth keeps directions that the samples never show from being anything.
        for (int i = 0; i < width; i++) this.gram[(i * width) + i] += 0.01f;
    }

    /// <summary>Improves the codes of one row.</summary>
    /// <param name="row">Elements. Zeros stay zeros.</param>
    /// <param name="maps">Maps of its blocks.</param>
    /// <param name="blockLength">Elements of a block.</param>
    /// <param name="codes">Good codes on entry, better ones on return.</param>
    /// <exception cref="OperationCanceledException">The work was stopped.</exception>
    public void Round(ReadOnlySpan<float> row, ReadOnlySpan<GroupMap> maps, int blockLength, Span<byte> codes)
    {
        var scales = new float[width];
        var zeros = new float[width];
        for (int i = 0; i < width; i++) (scales[i], zeros[i]) = (maps[i / blockLength].Scale, maps[i / blockLength].Zero);
        double error = Descend(row, scales, zeros, codes);
        if (steps == 0) return;
        byte[] learnt = Relax(row, scales, zeros);
        if (Descend(row, scales, zeros, learnt) < error) learnt.CopyTo(codes);
    }

    private byte[] Relax(ReadOnlySpan<float> row, float[] scales, float[] zeros)
    {
        var floor = new float[width];
        var v = new float[width];
        var isFixed = new bool[width];
        for (int i = 0; i < width; i++)
        {
            float exact = (row[i] / scales[i]) + zeros[i];
            floor[i] = Math.Clamp(MathF.Floor(exact), 0, highest);
            float rest = Math.Clamp(exact - floor[i], 0, 1);
            isFixed[i] = row[i] == 0 || floor[i] >= highest || exact < 0;
            if (row[i] == 0) floor[i] = zeros[i];
            v[i] = Logit(Math.Clamp((rest - Low) / Stretch, 0.01f, 0.99f));
        }

        Minimise(row, scales, zeros, floor, v, isFixed);
        var codes = new byte[width];
        for (int i = 0; i < width; i++) codes[i] = (byte)(floor[i] + (!isFixed[i] && v[i] >= 0 ? 1 : 0));
        return codes;
    }

    private void Minimise(ReadOnlySpan<float> row, float[] scales, float[] zeros, float[] floor, float[] v, bool[] isFixed)
    {
        float[] error = new float[width], gradient = new float[width], first = new float[width], second = new float[width];
        for (int step = 1; step <= steps; step++)
        {
            cancellation.ThrowIfCancellationRequested();
            double progress = (double)step / steps, sharpness = LastSharpness + ((FirstSharpness - LastSharpness) * (1 - Math.Max(0, (progress - WarmUp) / (1 - WarmUp))));
            for (int i = 0; i < width; i++) error[i] = row[i] - ((floor[i] + (isFixed[i] ? 0 : Soft(v[i])) - zeros[i]) * scales[i]);
            Array.Clear(gradient);
            for (int i = 0; i < width; i++) Rows.AddScaled(gradient, gram.AsSpan(i * width, width), error[i]);
            for (int i = 0; i < width; i++)
            {
                if (isFixed[i]) continue;
                float sigmoid = Sigmoid(v[i]), h = Math.Clamp((sigmoid * Stretch) + Low, 0, 1), slope = h is > 0 and < 1 ? sigmoid * (1 - sigmoid) * Stretch : 0;
                // Both terms in units of the squared step, so that the learning rate suits weights of any size.
                double pull = progress < WarmUp ? 0 : -Pull * sharpness * Math.Pow(Math.Abs((2 * h) - 1), sharpness - 1) * 2 * Math.Sign((2 * h) - 1);
                float g = slope * ((-2 * gradient[i] / scales[i]) + (float)pull);
                first[i] = (0.9f * first[i]) + (0.1f * g);
                second[i] = (0.999f * second[i]) + (0.001f * g * g);
                double m = first[i] / (1 - Math.Pow(0.9, step)), n = second[i] / (1 - Math.Pow(0.999, step));
                v[i] -= (float)(LearningRate * m / (Math.Sqrt(n) + 1e-8));
            }
        }
    }

    /// <summary>Moves single codes by one while that lowers the error, the move that lowers it most first; returns the error reached.</summary>
    private double Descend(ReadOnlySpan<float> row, float[] scales, float[] zeros, Span<byte> codes)
    {
        float[] error = new float[width], gradient = new float[width];
        for (int i = 0; i < width; i++) error[i] = row[i] - ((codes[i] - zeros[i]) * scales[i]);
        for (int i = 0; i < width; i++) Rows.AddScaled(gradient, gram.AsSpan(i * width, width), error[i]);
        for (int moves = 0; moves < 2 * width; moves++)
        {
            (int at, int direction, float gain) = BestMove(row, scales, gradient, codes);
            if (at < 0 || gain <= 0) break;
            codes[at] = (byte)(codes[at] + direction);
            error[at] -= direction * scales[at];
            Rows.AddScaled(gradient, gram.AsSpan(at * width, width), -direction * scales[at]);
        }

        double total = 0;
        for (int i = 0; i < width; i++) total += (double)error[i] * gradient[i];
        return total;
    }

    private (int At, int Direction, float Gain) BestMove(ReadOnlySpan<float> row, float[] scales, float[] gradient, ReadOnlySpan<byte> codes)
    {
        (int At, int Direction, float Gain) best = (-1, 0, 0);
        for (int i = 0; i < row.Length; i++)
        {
            // (e − d)ᵀH(e − d) = eᵀHe − 2d·(He)_i + d²·H_ii for a change d of element i.
            float step = Math.Abs(scales[i]), gain = (2 * step * Math.Abs(gradient[i])) - (step * step * gram[(i * width) + i]);
            if (gain <= best.Gain || row[i] == 0) continue;
            int direction = Math.Sign(gradient[i]) * Math.Sign(scales[i]);
            if ((uint)(codes[i] + direction) <= highest) best = (i, direction, gain);
        }

        return best;
    }

    private static float Soft(float v) => Math.Clamp((Sigmoid(v) * Stretch) + Low, 0, 1);

    private static float Sigmoid(float v) => 1 / (1 + MathF.Exp(-v));

    private static float Logit(float p) => MathF.Log(p / (1 - p));
}
