using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Packing;

namespace ModelCompression.Passes.Quantization.NBits;

/// <summary>A weight as packed codes and operators that restore it when a session is created: (codes − zero points) · scales, or palette[codes] · scales.</summary>
internal sealed class FoldedForm
{
    /// <summary>Share of zero codes from which a sparse form is looked for: a bit mask costs one bit in eight.</summary>
    private const double SparseZeroFraction = 0.1;

    private readonly PackingPlan? sparse;
    private readonly PackingRecipe recipe;
    private readonly bool usesConstantNodes;
    private readonly Dictionary<ConstantStep, Tensor> tensors;

    private FoldedForm(NBitPlan plan, PackingPlan? sparse, PackingRecipe recipe, PackingRequest request)
    {
        this.sparse = sparse;
        this.recipe = recipe;
        usesConstantNodes = plan.Target.UsesConstantNodes;
        ByteLength = recipe.ByteLength(request) + (sparse?.StoredByteLength ?? 0);
        tensors = recipe.Prepare();
        sparse?.Prepare();
    }

    /// <summary>Bytes in the file: data, nodes, names and shapes.</summary>
    public long ByteLength { get; }

    /// <summary>For the report.</summary>
    public string Description => sparse is null ? "folded" : $"folded, {sparse.Description}";

    /// <summary>Packs a weight. The codes are not needed afterwards.</summary>
    public static FoldedForm Of(NBitPlan plan, NBitWeight weight)
    {
        var request = new PackingRequest(plan.Options.SparseStorage, plan.Target.Opset) { UseConstantNodes = plan.Target.UsesConstantNodes, NameByteLength = 6 };
        var recipe = new FoldedRecipe(plan, weight);
        var dense = recipe.Make(null);
        long denseByteLength = dense.ByteLength(request);
        if (plan.Options.SparseStorage != SparseStorage.Dense && weight.ZeroFraction(plan.Codes) >= SparseZeroFraction)
        {
            var dims = weight.Palette.Length == 0 ? recipe.ViewDims : plan.Site.Tensor.Dims.ToArray();
            var packing = TensorPacking.Plan(Tensor.Create(DataType.UInt8, dims, weight.Codes), request);
            var rest = recipe.Make(dims);
            if (packing.Kind is PackingKind.Gaps or PackingKind.Bitmask && packing.StoredByteLength + rest.ByteLength(request) < denseByteLength) return Made(packing, rest);
        }

        return Made(null, dense);

        FoldedForm Made(PackingPlan? packing, PackingRecipe steps)
        {
            var form = new FoldedForm(plan, packing, steps, request);
            recipe.Release();
            return form;
        }
    }

    /// <summary>Adds the constants and nodes and returns the weight.</summary>
    public Value Emit(UnpackingSection section, string name) =>
        recipe.Emit(section, name, usesConstantNodes, tensors, sparse?.Emit(section, name + ".q"));
}
