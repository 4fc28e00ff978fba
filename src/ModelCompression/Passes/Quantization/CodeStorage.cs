using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Packing;

namespace ModelCompression.Passes.Quantization;

/// <summary>How the codes of one weight are kept: as one constant, sparse, or, when wider than a byte, as their upper eight bits and packed lower bits.</summary>
internal sealed class CodeStorage
{
    /// <summary>Share of zero codes from which a sparse form is looked for: a bit mask costs one bit in eight.</summary>
    private const double SparseZeroFraction = 0.1;

    private readonly WeightPlan plan;
    private readonly PackingPlan codes;
    private readonly PackingRecipe? lowBits;
    private readonly Dictionary<ConstantStep, Tensor> lowTensors = new(ReferenceEqualityComparer.Instance);

    private CodeStorage(WeightPlan plan, PackingPlan codes, PackingRecipe? lowBits)
    {
        this.plan = plan;
        this.codes = codes;
        this.lowBits = lowBits;
        ByteLength = codes.StoredByteLength + (lowBits?.ByteLength(Request(plan, SparseStorage.Dense, false)) ?? 0);
        codes.Prepare();
        foreach (var step in lowBits?.Steps.OfType<ConstantStep>() ?? []) lowTensors[step] = step.Make();
    }

    /// <summary>Bytes in the file.</summary>
    public long ByteLength { get; }

    /// <summary>What is special about the form; empty for one plain constant.</summary>
    public string Description => codes.Kind == PackingKind.Dense ? "" : codes.Description;

    /// <summary>Storage of known codes. Packs them, which may take a while and may run beside others.</summary>
    public static CodeStorage Of(WeightPlan plan, EncodedWeight weight)
    {
        if (plan.Precision.IsWide)
        {
            int shift = plan.Precision.Bits - 8;
            var high = Array.ConvertAll(weight.Codes.AsSpan<short>().ToArray(), c => (sbyte)(c >> shift));
            var dense = TensorPacking.Plan(Tensor.Create(DataType.Int8, weight.Codes.Dims, high), Request(plan, SparseStorage.Dense, false));
            return new(plan, dense, LowBits(plan, () => Array.ConvertAll(weight.Codes.AsSpan<short>().ToArray(), c => (byte)(c & ((1 << shift) - 1)))));
        }

        bool sparse = weight.ZeroFraction() >= SparseZeroFraction && plan.Form != WeightForm.GatheredRows;
        return new(plan, TensorPacking.Plan(weight.Codes, Request(plan, sparse ? plan.Options.SparseStorage : SparseStorage.Dense, sparse)), null);
    }

    /// <summary>Bytes that the codes will take when they are stored densely; needs no codes.</summary>
    public static long DenseByteLength(WeightPlan plan)
    {
        var type = plan.Precision.IsHalf ? DataType.Float16 : plan.Codes.IsSymmetric ? DataType.Int8 : DataType.UInt8;
        long dense = StoredSize.OfConstant(type, Shape(plan), StoredSize.CodesNameByteLength(plan), plan.Target.UsesConstantNodes);
        return plan.Precision.IsWide ? dense + LowBits(plan, () => []).ByteLength(Request(plan, SparseStorage.Dense, false)) : dense;
    }

    /// <summary>Adds what yields the codes: int8, uint8 or float16; of wider codes the upper eight bits.</summary>
    public Value Emit(UnpackingSection section, string name) => codes.Emit(section, name);

    /// <summary>Adds what yields the lower bits of wide codes as int32, to be added to the upper bits times 2^(bits − 8).</summary>
    public Value EmitLowBits(UnpackingSection section, string name) => lowBits!.Emit(section, name, plan.Target.UsesConstantNodes, lowTensors);

    private static ReadOnlySpan<long> Shape(WeightPlan plan) => plan.Precision.HasBlocks ? plan.Blocks!.Codes : plan.Site.Tensor.Dims;

    private static PackingRequest Request(WeightPlan plan, SparseStorage storage, bool palette) => new(storage, plan.Target.Opset)
    {
        AllowPalette = palette,
        UseConstantNodes = plan.Target.UsesConstantNodes,
        NameByteLength = StoredSize.CodesNameByteLength(plan),
    };

    private static PackingRecipe LowBits(WeightPlan plan, Func<byte[]> make)
    {
        var operators = new UnpackingOperators(plan.Target.Opset);
        operators.Codes(new PackedCodes("c", plan.Site.Tensor.ElementCount, plan.Precision.Bits - 8, make), Shape(plan).ToArray());
        return operators.Recipe;
    }
}
