using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Packing;

namespace ModelCompression.Passes.Quantization.NBits;

/// <summary>Forms of an n-bit weight in the graph.</summary>
internal enum NBitFormKind
{
    /// <summary>Packed codes that constant folding unpacks when a session is created.</summary>
    Folded,

    /// <summary>DequantizeLinear of int4, uint4, int8 or uint8.</summary>
    Dequantized,

    /// <summary>com.microsoft MatMulNBits instead of MatMul or Gemm.</summary>
    MatMulNBits,

    /// <summary>com.microsoft GatherBlockQuantized instead of Gather.</summary>
    GatherBlockQuantized,
}

/// <summary>A packed weight, ready to take its place in the graph.</summary>
internal abstract class NBitForm(NBitPlan plan)
{
    /// <summary>Length of the names of values that stand for a weight.</summary>
    protected const int NameByteLength = 6;

    /// <summary>The plan.</summary>
    public NBitPlan Plan { get; } = plan;

    /// <summary>Bytes in the file: data, names, shapes and the nodes that are added.</summary>
    public abstract long ByteLength { get; }

    /// <summary>For the report.</summary>
    public abstract string Description { get; }

    /// <summary>Packs a weight in the form that the plan names. The codes are not needed afterwards.</summary>
    public static NBitForm Of(NBitPlan plan, NBitWeight weight) => plan.Form switch
    {
        NBitFormKind.Dequantized => new DequantizedForm(plan, weight),
        NBitFormKind.MatMulNBits => new MatMulNBitsForm(plan, weight),
        NBitFormKind.GatherBlockQuantized => new GatherBlockForm(plan, weight),
        _ => FoldedForm.Of(plan, weight),
    };

    /// <summary>Adds the constants and nodes and connects the consumers; afterwards nothing uses the weight.</summary>
    /// <param name="section">The place of unpacking nodes.</param>
    /// <param name="name">Start of the names.</param>
    public abstract void Write(UnpackingSection section, string name);

    /// <summary>Lets all consumers use another value.</summary>
    protected void Replace(Value weight)
    {
        foreach (var use in Plan.Site.Uses) use.Node.SetInput(use.InputIndex, weight);
    }

    /// <summary>What a recipe needs to know about the target.</summary>
    protected PackingRequest Request => new(Plan.Options.SparseStorage, Plan.Target.Opset) { UseConstantNodes = Plan.Target.UsesConstantNodes, NameByteLength = NameByteLength };
}

/// <summary>A constant, or operators that compute one, made ahead of writing.</summary>
internal sealed class PreparedRecipe(PackingRecipe recipe, PackingRequest request)
{
    private readonly Dictionary<ConstantStep, Tensor> tensors = recipe.Prepare();

    /// <summary>Bytes in the file.</summary>
    public long ByteLength { get; } = recipe.ByteLength(request);

    /// <summary>True when operators compute the value; false for a plain constant.</summary>
    public bool IsComputed { get; } = recipe.Steps.Any(s => s is NodeStep);

    /// <summary>Adds the steps.</summary>
    /// <param name="section">The place.</param>
    /// <param name="name">Name of the result.</param>
    /// <param name="given">The value of a given step.</param>
    public Value Emit(UnpackingSection section, string name, Value? given = null) => recipe.Emit(section, name, request.UseConstantNodes, tensors, given);
}
