namespace ModelCompression.Numerics;

/// <summary>Moves a few codes to their second-nearest level, so that the rounding errors of every output channel add up to about zero.</summary>
/// <remarks>
/// Rounding to nearest makes every weight as exact as it can be, but a layer computes sums. Where inputs have a mean, as after ReLU and its relatives, the error of an
/// output is that mean times Σ(w − ŵ), plus what varies. The sum over n weights is about 0.29·√n steps; moving the |Σ| weights whose second-nearest level is least
/// worse removes it for next to no additional squared error. No data is needed. After Guo et al., "SQuant: On-the-fly data-free quantization via diagonal Hessian
/// approximation", 2022 (its channel-wise step), here for unevenly spaced levels and floating point numbers, too.
/// </remarks>
internal static class ErrorBalance
{
    /// <summary>Larger tensors are left as they are: candidates are kept in memory, and where sums are this long there is little to gain.</summary>
    public const int MaxElements = 1 << 22;

    /// <summary>Least error, relative to the distance of the two levels, of an element that may move.</summary>
    private const double LeastError = 0.3;

    private readonly record struct Move(int Channel, double Cost, int Element, double Step);

    /// <summary>Balances codes in place. Zeros stay zeros.</summary>
    /// <param name="elements">Finite binary32 elements.</param>
    /// <param name="channels">Output channels.</param>
    /// <param name="layout">What shares a scale: the channels, or blocks of them.</param>
    /// <param name="scales">One per scale number of <paramref name="layout"/>.</param>
    /// <param name="levels">What the codes stand for.</param>
    /// <param name="codes">Codes of the nearest levels.</param>
    /// <returns>How much Σ(w − ŵ)² grew.</returns>
    public static double Apply<TCode, TLevels>(ReadOnlySpan<float> elements, ChannelLayout channels, ChannelLayout layout, AffineScale[] scales, TLevels levels, Span<TCode> codes)
        where TCode : struct
        where TLevels : struct, ICodeLevels<TCode>
    {
        if (elements.Length > MaxElements) return 0;
        double[] sums = Sums<TCode, TLevels>(elements, channels, layout, scales, levels, codes);
        var moves = Candidates<TCode, TLevels>(elements, channels, layout, scales, levels, codes, sums);
        moves.Sort((a, b) => a.Channel != b.Channel ? a.Channel.CompareTo(b.Channel) : a.Cost != b.Cost ? a.Cost.CompareTo(b.Cost) : a.Element.CompareTo(b.Element));
        double added = 0;
        foreach (var move in moves)
        {
            // Once the sum has changed its sign, no candidate of the channel reduces it any more: they all have the sign that it began with.
            if (sums[move.Channel] * Math.Sign(move.Step) <= Math.Abs(move.Step) / 2) continue;
            levels.TryMove(codes[move.Element], Math.Sign(move.Step), out codes[move.Element]);
            sums[move.Channel] -= move.Step;
            added += move.Cost * Math.Abs(move.Step);
        }

        return added;
    }

    /// <summary>Σ(w − ŵ) of every channel.</summary>
    private static double[] Sums<TCode, TLevels>(ReadOnlySpan<float> elements, ChannelLayout channels, ChannelLayout layout, AffineScale[] scales, TLevels levels, ReadOnlySpan<TCode> codes)
        where TCode : struct
        where TLevels : struct, ICodeLevels<TCode>
    {
        double[] sums = new double[channels.ScaleCount];
        foreach (var run in layout.Runs())
        {
            double scale = scales[run.Scale].Scale, sum = 0;
            for (int i = run.Start; i < run.Start + layout.Inner; i++) sum += elements[i] - (levels.LevelOf(codes[i]) * scale);
            sums[run.Start / channels.Inner % channels.Channels] += sum;
        }

        return sums;
    }

    /// <summary>Elements that reduce their channel's sum when they move, with what that costs: (d − r)² − r² = d² − 2dr for a distance d, divided by d.</summary>
    private static List<Move> Candidates<TCode, TLevels>(ReadOnlySpan<float> elements, ChannelLayout channels, ChannelLayout layout, AffineScale[] scales, TLevels levels, ReadOnlySpan<TCode> codes, double[] sums)
        where TCode : struct
        where TLevels : struct, ICodeLevels<TCode>
    {
        var moves = new List<Move>();
        foreach (var run in layout.Runs())
        {
            int channel = run.Start / channels.Inner % channels.Channels;
            int direction = Math.Sign(sums[channel]);
            double scale = scales[run.Scale].Scale;
            if (direction == 0) continue;
            for (int i = run.Start; i < run.Start + layout.Inner; i++)
            {
                if (elements[i] == 0 || !levels.TryMove(codes[i], direction, out var next)) continue;
                double level = levels.LevelOf(codes[i]), step = Math.Abs(levels.LevelOf(next) - level) * scale;
                double error = (elements[i] - (level * scale)) * direction;
                if (error > LeastError * step) moves.Add(new(channel, step - (2 * error), i, step * direction));
            }
        }

        return moves;
    }
}
