using ModelCompression.Numerics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes;

/// <summary>What happened to one weight, for the report's <c>layers</c>. Passes fill in their part.</summary>
public sealed class LayerRecord
{
    /// <summary>Makes a record.</summary>
    public LayerRecord(string node, string opType, string weight)
    {
        Node = node;
        OpType = opType;
        Weight = weight;
    }

    private readonly SortedList<LossStep, (QuantizationNoise Loss, double Kept)> losses = [];

    /// <summary>The weight and its first use as they were when the record was made; null unless <see cref="PassLog.KeepsWeights"/>.</summary>
    internal (Tensor Weight, Use Use)? Began { get; set; }

    /// <summary>Display name of the first consumer.</summary>
    public string Node { get; }

    /// <summary>Operator of the first consumer.</summary>
    public string OpType { get; }

    /// <summary>Name of the weight's value in the original graph.</summary>
    public string Weight { get; }

    /// <summary>Bytes of the weight before.</summary>
    public long OriginalBytes { get; set; }

    /// <summary>Bytes of all constants that stand for the weight after.</summary>
    public long CompressedBytes { get; set; }

    /// <summary>Fraction of the original's elements that are gone: cut out with whole channels, or zero in what the compressed model computes with.</summary>
    public double Sparsity => 1 - ((1 - CutShare) * (1 - ZeroShare));

    /// <summary>Fraction of the elements that pruning has removed; null when no criterion has looked at the weight.</summary>
    public double? PrunedShare { get; private set; }

    /// <summary>Bits per stored code; 32 for untouched binary32.</summary>
    public int Bits { get; set; } = 32;

    /// <summary>20·log10(‖w‖/‖w−ŵ‖) of the weight as it is used at run time against the original, all steps together; of cut weights, for the elements that stay. Null when unchanged.</summary>
    /// <remarks>
    /// The squared errors of the steps are added up. That is exact where pruning only sets elements to zero and rounding keeps zeros; where kept elements were refitted or trained before they were
    /// rounded, the two errors have nothing to do with each other and the sum is right but for chance, about one part in √(number of elements).
    /// </remarks>
    public double? SqnrDb
    {
        get
        {
            double lost = 0, kept = 1;
            foreach (var (loss, energy) in losses.Values)
            {
                // Relative to what was there before the step, since layers may have been rescaled between steps.
                lost += kept * loss.Noise / loss.Signal;
                kept *= energy / loss.Signal;
            }

            double db = -10 * Math.Log10(lost);
            return double.IsFinite(db) ? db : null;
        }
    }

    /// <summary>What was done: <c>weight-only int8 per channel, folded</c>, <c>unchanged</c>, …</summary>
    public string Action { get; set; } = "unchanged";

    /// <summary>Why, in particular why not; empty when there is nothing to say.</summary>
    public string Reason { get; set; } = "";

    /// <summary>True if codes were chosen for the inputs that the calibration samples give the layer: on these its error is smaller than on others.</summary>
    internal bool IsFitted { get; set; }

    /// <summary>Elements that are not zero once the weight is quantized; null when it is not.</summary>
    internal long? NonZeroCount { get; private set; }

    /// <summary>Fraction of the elements that were not cut out with channels.</summary>
    internal double RemainingShare => 1 - CutShare;

    private double CutShare { get; set; }

    private double ZeroShare { get; set; }

    /// <summary>Notes what a step has done to the elements; a step that is repeated replaces what it has noted.</summary>
    /// <param name="step">The step.</param>
    /// <param name="loss">Squares of the elements before the step, and of their changes.</param>
    /// <param name="kept">Squares of the elements after it.</param>
    internal void Lose(LossStep step, QuantizationNoise loss, double kept)
    {
        if (loss is { Noise: > 0, Signal: > 0 }) losses[step] = (loss, kept);
        else losses.Remove(step);
    }

    /// <summary>Notes the weight as it is stored.</summary>
    /// <param name="loss">Squares of the elements, and of the errors of rounding.</param>
    /// <param name="nonZeros">Elements that are not zero as they are computed with.</param>
    /// <param name="count">All elements.</param>
    internal void Round(QuantizationNoise loss, long nonZeros, long count)
    {
        Lose(LossStep.Rounding, loss, loss.Signal);
        NonZeroCount = nonZeros;
        HoldZeros(count == 0 ? 0 : 1 - (nonZeros / (double)count));
    }

    /// <summary>Notes that whole channels were cut out.</summary>
    /// <param name="share">Fraction of the elements.</param>
    internal void Cut(double share)
    {
        CutShare = share;
        if (share > 0) PrunedShare = Sparsity;
    }

    /// <summary>Notes that elements were set to zero.</summary>
    /// <param name="share">Fraction of the elements now zero.</param>
    internal void Prune(double share)
    {
        HoldZeros(share);
        PrunedShare = Sparsity;
    }

    /// <summary>Notes how many elements are zero, for whatever reason.</summary>
    /// <param name="share">Fraction of the elements.</param>
    internal void HoldZeros(double share) => ZeroShare = share;
}

/// <summary>Steps that change a weight's elements, in their order.</summary>
internal enum LossStep
{
    /// <summary>Least squares behind removed channels.</summary>
    Refit,

    /// <summary>Elements set to zero, and the others updated for it.</summary>
    Pruning,

    /// <summary>Fine-tuning.</summary>
    Training,

    /// <summary>Storage in fewer bits.</summary>
    Rounding,
}
