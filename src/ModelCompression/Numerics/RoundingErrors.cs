namespace ModelCompression.Numerics;

/// <summary>Errors of the elements of a quantized tensor, and what moving one to its second-nearest level costs.</summary>
/// <typeparam name="TCode">Type of a stored code.</typeparam>
/// <typeparam name="TLevels">What codes stand for.</typeparam>
/// <param name="elements">Finite binary32 elements.</param>
/// <param name="layout">What shares a scale.</param>
/// <param name="scales">One per scale number.</param>
/// <param name="levels">What the codes stand for.</param>
/// <param name="codes">Codes of the nearest levels.</param>
internal readonly ref struct RoundingErrors<TCode, TLevels>(ReadOnlySpan<float> elements, ChannelLayout layout, AffineScale[] scales, TLevels levels, Span<TCode> codes)
    where TCode : struct
    where TLevels : struct, ICodeLevels<TCode>
{
    /// <summary>Least error, relative to the distance of the two levels, of an element that may move.</summary>
    private const double LeastError = 0.3;

    private readonly ReadOnlySpan<float> elements = elements;
    private readonly Span<TCode> codes = codes;

    /// <summary>The scale of a run.</summary>
    public float ScaleOf(ChannelRun run) => scales[run.Scale].Scale;

    /// <summary>The scale of an element.</summary>
    public float ScaleAt(int element) => scales[(element / layout.GroupLength * layout.Channels) + (element / layout.Inner % layout.Channels)].Scale;

    /// <summary>w − ŵ.</summary>
    public double At(int element, float scale) => elements[element] - (levels.LevelOf(codes[element]) * scale);

    /// <summary>Whether an element, not zero, is far enough from its level, and has a level on the side it is on.</summary>
    public bool IsCandidate(int element, float scale, double error) =>
        elements[element] != 0 && TryNext(element, error, out var next) && Math.Abs(error) > LeastError * Distance(element, next, scale);

    /// <summary>Distance of the element's level from the next on its side.</summary>
    public double StepOf(int element, float scale, double error) => TryNext(element, error, out var next) ? Distance(element, next, scale) : double.PositiveInfinity;

    /// <summary>What a move costs per unit of the sum that it removes: (d − r)² − r² = d² − 2dr for a distance d, divided by d.</summary>
    public double CostOf(int element, float scale, double error) => StepOf(element, scale, error) - (2 * Math.Abs(error));

    /// <summary>Moves an element to the next level on its side.</summary>
    public void Move(int element, double error)
    {
        if (TryNext(element, error, out var next)) codes[element] = next;
    }

    private bool TryNext(int element, double error, out TCode next) => levels.TryMove(codes[element], error > 0 ? 1 : -1, out next);

    private double Distance(int element, TCode next, float scale) => Math.Abs(levels.LevelOf(next) - levels.LevelOf(codes[element])) * scale;
}
