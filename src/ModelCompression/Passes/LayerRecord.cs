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

    /// <summary>Fraction of the elements removed: zeros after, or cut out with whole channels.</summary>
    public double Sparsity { get; set; }

    /// <summary>Bits per stored code; 32 for untouched binary32.</summary>
    public int Bits { get; set; } = 32;

    /// <summary>20·log10(‖w‖/‖w−ŵ‖) of the weight as it is used at run time; null when unchanged.</summary>
    public double? SqnrDb { get; set; }

    /// <summary>What was done: <c>weight-only int8 per channel, folded</c>, <c>unchanged</c>, …</summary>
    public string Action { get; set; } = "unchanged";

    /// <summary>Why, in particular why not; empty when there is nothing to say.</summary>
    public string Reason { get; set; } = "";
}
