using System.Runtime.CompilerServices;

namespace ModelCompression.Numerics;

/// <summary>Errors of the elements of a quantized tensor, and how far their second-nearest levels are.</summary>
/// <typeparam name="TCode">Type of a stored code.</typeparam>
/// <typeparam name="TLevels">What codes stand for.</typeparam>
/// <param name="elements">Finite binary32 elements.</param>
/// <param name="channels">Output channels.</param>
/// <param name="layout">What shares a scale: the channels, or blocks of them that lie in a row of all channels one after the other.</param>
/// <param name="scales">One per scale number.</param>
/// <param name="levels">What the codes stand for.</param>
/// <param name="codes">Codes of the nearest levels.</param>
/// <param name="inputs">How often the error of each element of a channel counts, for each of one or several equal groups of channels that lie one after the other; empty for once each.</param>
internal readonly ref struct RoundingErrors<TCode, TLevels>(ReadOnlySpan<float> elements, ChannelLayout channels, ChannelLayout layout, AffineScale[] scales, TLevels levels, Span<TCode> codes, ReadOnlySpan<float> inputs = default)
    where TCode : struct
    where TLevels : struct, ICodeLevels<TCode>
{
    /// <summary>Least error, relative to the distance of the two levels, of an element that may move.</summary>
    private const double LeastError = 0.3;

    private readonly ReadOnlySpan<float> elements = elements;
    private readonly Span<TCode> codes = codes;
    private readonly ReadOnlySpan<float> inputs = inputs;

    /// <summary>Number of elements.</summary>
    public int Count => elements.Length;

    /// <summary>Rows, each of which has elements of all channels.</summary>
    public int Rows => elements.Length == 0 ? 0 : elements.Length / (channels.Channels * channels.Inner);

    /// <summary>Runs with one scale that a channel has in a row.</summary>
    public int RunsPerChannel => layout.Inner == 0 ? 0 : channels.Inner / layout.Inner;

    /// <summary>Elements of a run.</summary>
    public int RunLength => layout.Inner;

    /// <summary>A run.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ChannelRun Run(int row, int channel, int run)
    {
        int within = (channel * RunsPerChannel) + run;
        return new((row * channels.Channels * channels.Inner) + (within * layout.Inner), (row / layout.Outer * layout.Channels) + within);
    }

    /// <summary>The scale of a run.</summary>
    public float ScaleOf(ChannelRun run) => scales[run.Scale].Scale;

    /// <summary>The scale of an element.</summary>
    public float ScaleAt(int element) => scales[(element / layout.GroupLength * layout.Channels) + (element / layout.Inner % layout.Channels)].Scale;

    /// <summary>Whether an element, not zero, is far enough from its level, and has a level on the side it is on.</summary>
    /// <param name="element">Position.</param>
    /// <param name="scale">Its scale.</param>
    /// <param name="error">w − ŵ.</param>
    /// <param name="step">Distance of its level from the next on its side; 0 when there is none.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool IsCandidate(int element, float scale, out double error, out double step)
    {
        float x = elements[element];
        var code = codes[element];
        double level = levels.LevelOf(code);
        error = x - (level * scale);
        step = levels.TryMove(code, error > 0 ? 1 : -1, out var next) ? Math.Abs(levels.LevelOf(next) - level) * scale : 0;
        return step > 0 && x != 0 && Math.Abs(error) > LeastError * step;
    }

    /// <summary>The same errors, each of which counts as often as the input that its element meets is large.</summary>
    /// <param name="means">Mean inputs.</param>
    public RoundingErrors<TCode, TLevels> Weighted(ReadOnlySpan<float> means) => new(elements, channels, layout, scales, levels, codes, means);

    /// <summary>True when errors count as often as inputs are large.</summary>
    public bool IsWeighted => !inputs.IsEmpty;

    /// <summary>What is added to the position of an element of a channel to find its input.</summary>
    public int InputShift(int channel) => inputs.IsEmpty ? 0 : ((int)((long)channel * (inputs.Length / channels.Inner) / channels.Channels) - channel) * channels.Inner;

    /// <summary>How often the error of an element counts; 1 when inputs are not known.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public double InputAt(int position) => inputs.IsEmpty ? 1 : inputs[position];

    /// <summary>Σ input · (w − ŵ) of a channel of a tensor whose channels lie one after the other.</summary>
    public double Sum(int channel)
    {
        int shift = InputShift(channel);
        double sum = 0;
        for (int r = 0; r < RunsPerChannel; r++)
        {
            var run = Run(0, channel, r);
            float scale = ScaleOf(run);
            for (int i = run.Start; i < run.Start + RunLength; i++) sum += (elements[i] - (levels.LevelOf(codes[i]) * scale)) * InputAt(i + shift);
        }

        return sum;
    }

    /// <summary>
    /// Lets the element of a channel whose levels are finest take what is left of Σ(w − ŵ), where all elements of the channel meet the same mean input and levels lie so close near 0 that one can.
    /// A filter that looks for edges has taps a thousand times as large as its outputs on smooth pictures; what is left of their errors is no more than one of their steps.
    /// </summary>
    /// <param name="channel">Channel of a tensor whose channels lie one after the other.</param>
    /// <returns>How much Σ(w − ŵ)² grew.</returns>
    public double Settle(int channel)
    {
        int shift = InputShift(channel), finest = -1;
        double input = RunsPerChannel == 0 ? 0 : InputAt(Run(0, channel, 0).Start + shift), least = double.PositiveInfinity, coarsest = 0;
        for (int r = 0; r < RunsPerChannel; r++)
        {
            var run = Run(0, channel, r);
            for (int i = run.Start; i < run.Start + RunLength; i++)
            {
                if (InputAt(i + shift) != input) return 0;
                if (elements[i] == 0 || !levels.TryMove(codes[i], 1, out var next)) continue;
                double step = (levels.LevelOf(next) - levels.LevelOf(codes[i])) * ScaleOf(run);
                coarsest = Math.Max(coarsest, step);
                if (step < least) (least, finest) = (step, i);
            }
        }

        double left = finest < 0 || input == 0 ? 0 : Sum(channel) / input, scale = finest < 0 ? 1 : ScaleAt(finest);
        if (left == 0 || Math.Abs(left) > coarsest || !levels.TryReach(levels.LevelOf(codes[finest]) + (left / scale), out var reached)) return 0;
        double before = elements[finest] - (levels.LevelOf(codes[finest]) * scale), after = elements[finest] - (levels.LevelOf(reached) * scale);
        codes[finest] = reached;
        return (after * after) - (before * before);
    }

    /// <summary>Moves an element to the next level on its side.</summary>
    public void Move(int element, double error)
    {
        if (levels.TryMove(codes[element], error > 0 ? 1 : -1, out var next)) codes[element] = next;
    }
}
