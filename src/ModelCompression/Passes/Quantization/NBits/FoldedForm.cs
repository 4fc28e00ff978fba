using ModelCompression.Options;
using ModelCompression.Packing;

namespace ModelCompression.Passes.Quantization.NBits;

/// <summary>A weight as packed codes and operators that restore it when a session is created: (codes − zero points) · scales, or palette[codes] · scales.</summary>
internal sealed class FoldedForm : NBitForm
{
    /// <summary>Share of zero codes from which a sparse form is looked for: a bit mask costs one bit in eight.</summary>
    private const double SparseZeroFraction = 0.1;

    private readonly PackingPlan? sparse;
    private readonly PreparedRecipe rest;

    private FoldedForm(NBitPlan plan, PackingPlan? sparse, PackingRecipe recipe)
        : base(plan)
    {
        this.sparse = sparse;
        rest = new(recipe, Request);
        sparse?.Prepare();
    }

    /// <inheritdoc/>
    public override long ByteLength => rest.ByteLength + (sparse?.StoredByteLength ?? 0);

    /// <inheritdoc/>
    public override string Description => sparse is null ? "folded" : $"folded, {sparse.Description}";

    /// <summary>Packs a weight, sparsely where that takes fewer bytes.</summary>
    public static new FoldedForm Of(NBitPlan plan, NBitWeight weight)
    {
        var recipe = new FoldedRecipe(plan, weight);
        var form = Sparse(plan, weight, recipe) ?? new FoldedForm(plan, null, recipe.Make(null));
        recipe.Release();
        return form;
    }

    /// <inheritdoc/>
    public override void Write(UnpackingSection section, string name) => Replace(rest.Emit(section, name, sparse?.Emit(section, name + ".q")));

    private static FoldedForm? Sparse(NBitPlan plan, NBitWeight weight, FoldedRecipe recipe)
    {
        if (plan.Options.SparseStorage == SparseStorage.Dense || weight.ZeroFraction() < SparseZeroFraction) return null;
        var request = new PackingRequest(plan.Options.SparseStorage, plan.Target.Opset) { UseConstantNodes = plan.Target.UsesConstantNodes, NameByteLength = NameByteLength };
        long[] dims = recipe.ViewDims;
        var packing = TensorPacking.Plan(recipe.SparseCodes(dims), request);
        var rest = recipe.Make(dims);
        bool gains = packing.Kind is PackingKind.Gaps or PackingKind.Bitmask && packing.StoredByteLength + rest.ByteLength(request) < recipe.Make(null).ByteLength(request);
        return gains ? new(plan, packing, rest) : null;
    }
}
