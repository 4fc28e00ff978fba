using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Packing;

namespace ModelCompression.Passes.Quantization;

/// <summary>How the codes of one weight are kept: as one constant, sparse, packed when narrower than a byte, or, when wider, as their upper eight bits and packed lower bits.</summary>
internal sealed class CodeStorage
{
    /// <summary>Share of zero codes from which a sparse form is looked for: a bit mask costs one bit in eight.</summary>
    private const double SparseZeroFraction = 0.1;

    private readonly WeightPlan plan;
    private readonly PackingPlan? codes;
    private readonly PackingRecipe? packed;
    private readonly Dictionary<ConstantStep, Tensor> packedTensors = new(ReferenceEqualityComparer.Instance);

    private CodeStorage(WeightPlan plan, PackingPlan? codes, PackingRecipe? packed, Func<ConstantStep, Tensor>? make = null)
    {
        this.plan = plan;
        this.codes = codes;
        this.packed = packed;
        ByteLength = (codes?.StoredByteLength ?? 0) + (packed?.ByteLength(Request(plan, SparseStorage.Dense, false)) ?? 0);
        codes?.Prepare();
        foreach (var step in packed?.Steps.OfType<ConstantStep>() ?? []) packedTensors[step] = make is null ? step.Make() : make(step);
    }

    /// <summary>Bytes in the file.</summary>
    public long ByteLength { get; }

    /// <summary>What is special about the form; empty for one plain constant.</summary>
    public string Description => codes is null || codes.Kind == PackingKind.Dense ? "" : codes.Description;

    /// <summary>True for a plain constant, false when operators unpack the codes.</summary>
    public bool IsConstant => codes?.Kind == PackingKind.Dense && packed is null;

    /// <summary>Storage of known codes. Packs them, which may take a while and may run beside others.</summary>
    public static CodeStorage Of(WeightPlan plan, EncodedWeight weight)
    {
        if (plan.Precision.IsWide)
        {
            int shift = plan.Precision.Bits - 8;
            var high = Array.ConvertAll(weight.Codes.AsSpan<short>().ToArray(), c => (sbyte)(c >> shift));
            var dense = TensorPacking.Plan(Tensor.Create(DataType.Int8, weight.Codes.Dims, high), Request(plan, SparseStorage.Dense, false));
            return new(plan, dense, Packed(plan, shift, () => Array.ConvertAll(weight.Codes.AsSpan<short>().ToArray(), c => (byte)(c & ((1 << shift) - 1)))));
        }

        if (plan.Precision.IsNarrow) return new(plan, null, Packed(plan, plan.Precision.Bits, () => weight.Codes.AsSpan<byte>().ToArray()));
        bool sparse = weight.ZeroFraction(plan) >= SparseZeroFraction && plan.Form != WeightForm.GatheredRows;
        return new(plan, TensorPacking.Plan(weight.Codes, Request(plan, sparse ? plan.Options.SparseStorage : SparseStorage.Dense, sparse)), null);
    }

    /// <summary>Storage of as many bytes as that of codes that are not known yet, when they are stored densely.</summary>
    public static CodeStorage ForSize(WeightPlan plan, BlankTensors blanks)
    {
        int low = plan.Precision.IsWide ? plan.Precision.Bits - 8 : plan.Precision.IsNarrow ? plan.Precision.Bits : 0;
        var packed = low > 0 ? Packed(plan, low, () => []) : null;
        // What is shared says how codes are unpacked, into which shape say.
        var codes = plan.Precision.IsNarrow ? null : TensorPacking.Plan(blanks.Of(DenseType(plan), Shape(plan)), Request(plan, SparseStorage.Dense, false));
        return new(plan, codes, packed, step => step.SharingKey is null ? blanks.Of(step.Type, step.Dims) : step.Make());
    }

    /// <summary>Bytes that the codes will take when they are stored densely; needs no codes.</summary>
    public static long DenseByteLength(WeightPlan plan)
    {
        if (plan.Precision.IsNarrow) return Packed(plan, plan.Precision.Bits, () => []).ByteLength(Request(plan, SparseStorage.Dense, false));
        long dense = StoredSize.OfConstant(DenseType(plan), Shape(plan), StoredSize.CodesNameByteLength(plan), plan.Target.UsesConstantNodes);
        return plan.Precision.IsWide ? dense + Packed(plan, plan.Precision.Bits - 8, () => []).ByteLength(Request(plan, SparseStorage.Dense, false)) : dense;
    }

    /// <summary>Adds what yields the codes: int8, uint8 or float16; int32 when narrower than a byte; of wider codes the upper eight bits.</summary>
    public Value Emit(UnpackingSection section, string name) => codes?.Emit(section, name) ?? EmitPacked(section, name);

    /// <summary>Adds what yields the lower bits of wide codes as int32, to be added to the upper bits times 2^(bits − 8).</summary>
    public Value EmitLowBits(UnpackingSection section, string name) => EmitPacked(section, name);

    private Value EmitPacked(UnpackingSection section, string name) => packed!.Emit(section, name, plan.Target.UsesConstantNodes, packedTensors);

    private static DataType DenseType(WeightPlan plan) => plan.Precision.IsHalf ? DataType.Float16 : plan.Codes.IsSymmetric && plan.Product is null ? DataType.Int8 : DataType.UInt8;

    private static ReadOnlySpan<long> Shape(WeightPlan plan) => plan.Product is { } product ? product.Codes : plan.Precision.HasBlocks ? plan.Blocks!.Codes : plan.Site.Tensor.Dims;

    private static PackingRequest Request(WeightPlan plan, SparseStorage storage, bool palette) => new(storage, plan.Target.Opset)
    {
        AllowPalette = palette,
        UseConstantNodes = plan.Target.UsesConstantNodes,
        NameByteLength = StoredSize.CodesNameByteLength(plan),
    };

    private static PackingRecipe Packed(WeightPlan plan, int bits, Func<byte[]> make)
    {
        var operators = new UnpackingOperators(plan.Target.Opset);
        operators.Codes(new PackedCodes("c", plan.Site.Tensor.ElementCount, bits, make), Shape(plan).ToArray());
        return operators.Recipe;
    }
}
