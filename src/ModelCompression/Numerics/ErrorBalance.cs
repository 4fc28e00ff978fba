namespace ModelCompression.Numerics;

/// <summary>Moves a few codes to their second-nearest level, so that the rounding errors of every output channel add up to about zero.</summary>
/// <remarks>
/// Rounding to nearest makes every weight as exact as it can be, but a layer computes sums. Where inputs have a mean, as after ReLU and its relatives, the error of an
/// output is that mean times Σ(w − ŵ), plus what varies. The sum over n weights is about 0.29·√n steps; moving the |Σ| weights whose second-nearest level is least
/// worse removes it for next to no additional squared error. No data is needed. After Guo et al., "SQuant: On-the-fly data-free quantization via diagonal Hessian
/// approximation", 2022 (its channel-wise step), here for unevenly spaced levels and floating point numbers, too.
/// Candidates of a channel lie in a heap: of thousands a few dozen move.
/// </remarks>
internal static class ErrorBalance
{
    /// <summary>Larger tensors are left as they are: candidates are kept in memory, and where sums are this long there is little to gain.</summary>
    public const int MaxElements = 1 << 22;

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
        where TLevels : struct, ICodeLevels<TCode> =>
        Apply(new RoundingErrors<TCode, TLevels>(elements, channels, layout, scales, levels, codes), 0, channels.Channels);

    /// <summary>Balances the codes of a range of channels. Ranges may be balanced at the same time.</summary>
    /// <param name="errors">The errors of the tensor.</param>
    /// <param name="first">First channel.</param>
    /// <param name="count">Channels.</param>
    /// <returns>How much Σ(w − ŵ)² grew.</returns>
    public static double Apply<TCode, TLevels>(RoundingErrors<TCode, TLevels> errors, int first, int count)
        where TCode : struct
        where TLevels : struct, ICodeLevels<TCode>
    {
        if (errors.Count > MaxElements) return 0;
        var states = new ChannelState[count];
        Survey(errors, first, states);
        int candidates = 0;
        foreach (ref var state in states.AsSpan())
        {
            state.First = candidates;
            candidates += state.Candidates;
        }

        ulong[] moves = GC.AllocateUninitializedArray<ulong>(candidates);
        Collect(errors, first, states, moves);
        double added = 0;
        for (int c = 0; c < count; c++) added += Move(errors, first + c, states[c], moves.AsSpan(states[c].First, states[c].Collected));
        return added;
    }

    /// <summary>Sums the errors of every channel and counts its candidates.</summary>
    private static void Survey<TCode, TLevels>(RoundingErrors<TCode, TLevels> errors, int first, ChannelState[] states)
        where TCode : struct
        where TLevels : struct, ICodeLevels<TCode>
    {
        for (int row = 0; row < errors.Rows; row++)
        {
            for (int c = 0; c < states.Length; c++)
            {
                var state = states[c];
                int shift = errors.InputShift(first + c);
                for (int r = 0; r < errors.RunsPerChannel; r++)
                {
                    var run = errors.Run(row, first + c, r);
                    float scale = errors.ScaleOf(run);
                    double sum = 0;
                    for (int i = run.Start; i < run.Start + errors.RunLength; i++)
                    {
                        bool isCandidate = errors.IsCandidate(i, scale, out double error, out double step);
                        double input = errors.InputAt(i + shift);
                        sum += error * input;
                        if (isCandidate) state.Count(error * input, step * Math.Abs(input));
                    }

                    state.Sum += sum;
                }

                states[c] = state;
            }
        }
    }

    /// <summary>Writes the candidates that reduce their channel's sum when they move.</summary>
    private static void Collect<TCode, TLevels>(RoundingErrors<TCode, TLevels> errors, int first, ChannelState[] states, ulong[] moves)
        where TCode : struct
        where TLevels : struct, ICodeLevels<TCode>
    {
        for (int row = 0; row < errors.Rows; row++)
        {
            for (int c = 0; c < states.Length; c++)
            {
                ref var state = ref states[c];
                int shift = errors.InputShift(first + c);
                for (int r = 0; r < errors.RunsPerChannel && state.Candidates > 0; r++)
                {
                    var run = errors.Run(row, first + c, r);
                    float scale = errors.ScaleOf(run);
                    for (int i = run.Start; i < run.Start + errors.RunLength; i++)
                    {
                        if (!errors.IsCandidate(i, scale, out double error, out double step)) continue;
                        double input = errors.InputAt(i + shift);
                        if (input != 0 && error * input > 0 == state.Sum > 0) moves[state.First + state.Collected++] = MoveHeap.Entry((float)(Cost(error, step) / Math.Abs(input)), i);
                    }
                }
            }
        }
    }

    /// <summary>Moves elements of one channel, the cheapest first, while that brings its sum closer to zero; returns the added noise.</summary>
    private static double Move<TCode, TLevels>(RoundingErrors<TCode, TLevels> errors, int channel, ChannelState state, Span<ulong> moves)
        where TCode : struct
        where TLevels : struct, ICodeLevels<TCode>
    {
        double left = Math.Abs(state.Sum), added = 0, enough = errors.IsWeighted ? state.MeanStep / 4 : state.LeastStep / 2;
        int shift = errors.InputShift(channel);
        var heap = new MoveHeap(moves);
        while (left > enough && heap.TryTake(out int element))
        {
            errors.IsCandidate(element, errors.ScaleAt(element), out double error, out double step);
            double removed = step * Math.Abs(errors.InputAt(element + shift));
            if (left <= removed / 2) continue;
            added += Cost(error, step) * step;
            errors.Move(element, error);
            left -= removed;
        }

        return added;
    }

    /// <summary>What a move costs per unit of the sum that it removes: (d − r)² − r² = d² − 2dr for a distance d, divided by d.</summary>
    private static double Cost(double error, double step) => step - (2 * Math.Abs(error));

    /// <summary>What is known of a channel.</summary>
    private struct ChannelState
    {
        /// <summary>Σ(w − ŵ).</summary>
        public double Sum;

        /// <summary>Elements above their level that may move up.</summary>
        public int Above;

        /// <summary>Elements below their level that may move down.</summary>
        public int Below;

        /// <summary>Least distance of levels over all candidates.</summary>
        public double LeastStep;

        private double steps;

        /// <summary>Mean distance of levels over all candidates.</summary>
        public readonly double MeanStep => steps / (Above + Below);

        /// <summary>Place of its first candidate.</summary>
        public int First;

        /// <summary>Candidates written so far.</summary>
        public int Collected;

        /// <summary>Elements whose move reduces the sum.</summary>
        public readonly int Candidates => Sum > 0 ? Above : Sum < 0 ? Below : 0;

        /// <summary>Counts a candidate.</summary>
        public void Count(double error, double step)
        {
            if (step == 0) return;
            LeastStep = Above + Below == 0 ? step : Math.Min(LeastStep, step);
            steps += step;
            if (error > 0) Above++;
            else Below++;
        }
    }
}
