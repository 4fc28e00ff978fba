using ModelCompression.Numerics;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;

namespace ModelCompression.Passes.Quantization;

/// <summary>One way to store a weight.</summary>
/// <param name="Precision">The way.</param>
/// <param name="ByteLength">Bytes in the file.</param>
/// <param name="NoiseToSignal">Expected Σ(w−ŵ)² / Σw².</param>
internal sealed record PrecisionCandidate(WeightPrecision Precision, long ByteLength, double NoiseToSignal);

/// <summary>Candidates of one weight and the ranges they were found from.</summary>
/// <param name="Candidates">The candidates, plain 8-bit codes first.</param>
/// <param name="Ranges">Ranges of the weight's blocks, or of its channels when it has none.</param>
/// <param name="SavedBySparseStorage">Bytes that a code per element is expected to take less because many are zero.</param>
internal sealed record RangedCandidates(IReadOnlyList<PrecisionCandidate> Candidates, ChannelRanges Ranges, long SavedBySparseStorage);

/// <summary>Finds what a weight would cost and lose in each precision, from its ranges alone.</summary>
internal static class PrecisionCandidates
{
    /// <summary>
    /// Largest weight that may take more than a byte per element. Unpacking wide codes passes through int32, several times the work of a byte, when a session is
    /// created; and where weights are this large, small ones are not what limits accuracy.
    /// </summary>
    private const int MaxElementsAboveBytes = 1 << 18;

    /// <summary>Rounding to 11 significant bits: steps of 2^-10 for a mantissa m in [1, 2), whose mean square is 7/3: (2^-10)²/12 / (7/3).</summary>
    private const double HalfNoise = 3.4e-8;

    /// <summary>Variance of rounding to a multiple of binary16's smallest number.</summary>
    private const double SubnormalNoise = 5.96e-8 * 5.96e-8 / 12;

    private const float HalfMax = 65504f;

    /// <summary>Narrow codes take several nodes to unpack, which a small weight does not earn back, and four bytes per element in between, which is too much for a large one.</summary>
    private const int MinNarrowElements = 1 << 12;
    private const int MaxNarrowElements = 1 << 22;

    /// <summary>Fewer than 7 would make one large layer at the end of a model decide its accuracy.</summary>
    private const int NarrowBits = 7;

    private static readonly int[] WideBits = [9, 10, 12];

    /// <summary>Widths of levels where bytes count most, and what a weight must have to earn their unpacking back.</summary>
    private static readonly int[] SmallestBits = [8, 7, 6, 5, 4];
    private const int MinSmallestElements = 1 << 10;
    private const int MaxSmallestElements = 1 << 26;

    /// <summary>Beyond this magnitude scales are stored as they are used: what a table or a block of levels multiplies them by might overflow. Masks reach it, trained weights do not.</summary>
    private const float MostMagnitude = 1e30f;

    /// <summary>Candidates of a weight that is planned with symmetric codes per channel; null when it is not all finite.</summary>
    public static RangedCandidates? Of(WeightPlan plan)
    {
        var weight = FloatElements.AsFloat(plan.Site.Tensor);
        var shape = plan.Blocks;
        var ranges = ChannelRanges.Of(weight, shape?.Layout ?? plan.Layout);
        if (!ranges.AllFinite) return null;
        float[] largest = shape is null ? [.. Enumerable.Range(0, plan.Layout.Channels).Select(ranges.AbsMax)] : BlockScales.LargestPerChannel(ranges, shape);
        long saved = SavedBySparseStorage(weight);
        var candidates = new List<PrecisionCandidate> { Candidate(WeightPrecision.Plain, ChannelNoise) };
        if (LargestOf(ranges) > MostMagnitude) return new(candidates, ranges, saved);
        if (shape is not null) candidates.Add(Candidate(new(8, true, false), BlockNoise));
        int[] levelBits = plan.Options.Preset == Preset.Smallest
            ? weight.ElementCount is >= MinSmallestElements and <= MaxSmallestElements ? SmallestBits : [8]
            : weight.ElementCount is >= MinNarrowElements and <= MaxNarrowElements ? [8, NarrowBits] : [8];
        foreach (int bits in levelBits)
        {
            // Where bytes count most, blocks always win over a wider code: looking for levels once per width is enough.
            if (shape is null || levelBits.Length < SmallestBits.Length) candidates.Add(Curved(new(bits, false, false), plan.Layout, ChannelScales(bits)));
            if (shape is not null) candidates.Add(Curved(new(bits, true, false), shape.Layout, BlockScales.Of(ranges, shape, CurvedCodes.HighestOf(bits)).Effective));
        }

        if (weight.ElementCount > MaxElementsAboveBytes) return new(candidates, ranges, saved);
        foreach (int bits in WideBits)
        {
            if (shape is null) candidates.Add(Candidate(new(bits, false, false), ChannelNoise));
            else candidates.Add(Candidate(new(bits, true, false), BlockNoise));
        }

        if (LargestOf(ranges) <= HalfMax && plan.Site.Tensor.DataType == DataType.Float)
            candidates.Add(new(WeightPrecision.Half, StoredSize.Of(plan with { Precision = WeightPrecision.Half }), HalfNoise + (SubnormalNoise * weight.ElementCount / Math.Max(ranges.Energy, double.Epsilon))));
        return new(candidates, ranges, saved);

        PrecisionCandidate Candidate(WeightPrecision precision, Func<int, double> noise)
        {
            int highest = CodeRange.Symmetric(precision.Bits).Highest;
            precision = precision with { HasHalfScales = HoldsHalfScales(precision, highest) };
            return new(precision, StoredSize.Of(plan with { Precision = precision }) - (precision.IsByte ? saved : 0), ranges.Energy == 0 ? 0 : noise(highest) / ranges.Energy);
        }

        bool HoldsHalfScales(WeightPrecision precision, int highest)
        {
            var half = new HalfScales(precision.ScaleUnit);
            return largest.Length >= HalfScales.MinCount
                && largest.All(max => half.CanHold(precision.HasBlocks ? BlockScales.StepOf(max, highest) : AffineScale.Covering(-max, max, CodeRange.Symmetric(precision.Bits)).Scale));
        }

        PrecisionCandidate Curved(WeightPrecision precision, ChannelLayout layout, AffineScale[] scales)
        {
            var (curvature, noise) = CurvedQuantizer.Choose(weight, layout, scales, precision.Bits);
            return Candidate(precision with { Curvature = curvature }, _ => noise);
        }

        AffineScale[] ChannelScales(int bits) => Array.ConvertAll(largest, max => AffineScale.Covering(-max, max, CodeRange.Symmetric(bits)));

        double ChannelNoise(int highest) => largest.Sum(max => RoundingNoise(max / (double)highest, weight.ElementCount / plan.Layout.Channels));

        double BlockNoise(int highest)
        {
            var scales = BlockScales.Of(ranges, shape!, highest).Effective;
            double noise = 0;
            for (int s = 0; s < scales.Length; s++) noise += Math.Min(RoundingNoise(scales[s].Scale, shape!.ElementsPerScale), Largest(ranges.AbsMax(s), shape.ElementsPerScale));
            return noise;
        }
    }

    /// <summary>Bytes that a bit mask saves over one code per element, from a sample; 0 when there are few zeros.</summary>
    private static long SavedBySparseStorage(Tensor weight)
    {
        const int sampleLength = 1 << 11;
        const long unpackingByteLength = 500;
        // Steps of the golden ratio reach everywhere and fall into no period of the weights.
        const ulong goldenStep = 0x9E3779B97F4A7C15;
        var elements = weight.AsSpan<float>();
        int zeros = 0, seen = Math.Min(sampleLength, elements.Length);
        for (int i = 0; i < seen; i++)
            if (elements[(int)Math.BigMul((ulong)i * goldenStep, (ulong)elements.Length, out _)] == 0) zeros++;
        return seen == 0 ? 0 : Math.Max(0, (long)(((double)zeros / seen * elements.Length) - (elements.Length / 8.0)) - unpackingByteLength);
    }

    /// <summary>Noise when everything is rounded to 0, which is what happens to channels too small for a normal scale.</summary>
    private static double Largest(double max, long elements) => max * max * elements;

    private static double RoundingNoise(double step, long elements) => step * step / 12 * elements;

    private static float LargestOf(ChannelRanges ranges)
    {
        float largest = 0;
        for (int s = 0; s < ranges.Min.Length; s++) largest = Math.Max(largest, ranges.AbsMax(s));
        return largest;
    }
}
