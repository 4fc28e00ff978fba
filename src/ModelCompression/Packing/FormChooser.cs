using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;

namespace ModelCompression.Packing;

/// <summary>Forms that need no look at the elements.</summary>
internal static class FormChooser
{
    public static PackingPlan Dense(Tensor tensor, PackingRequest request, string reason)
    {
        var recipe = new PackingRecipe();
        recipe.Add(new ConstantStep("w", tensor.DataType, tensor.Dims.ToArray(), () => tensor));
        return new PackingPlan(PackingKind.Dense, tensor, request, recipe, reason) { DenseByteLength = recipe.ByteLength(request) };
    }
}

/// <summary>Sizes up the forms of one tensor and takes the smallest allowed one.</summary>
internal sealed class FormChooser<T>(PackableElements<T> elements, T background, Tensor tensor, PackingRequest request)
    where T : unmanaged, IBinaryInteger<T>
{
    /// <summary>Gaps of two bits or more take no fewer bits than a bit mask when at least this share of the elements is stored.</summary>
    private const double MaxGapsDensity = 0.5;

    private readonly PackingPlan dense = FormChooser.Dense(tensor, request, "");

    private readonly BackgroundProfile profile = BackgroundProfile.Scan(elements, background);

    /// <summary>The plan.</summary>
    public PackingPlan Choose()
    {
        dense.Sparsity = profile.Sparsity;
        var palette = request.AllowPalette ? ValuePalette<T>.Find(elements) : null;
        var everyElement = palette is null ? dense : Smaller(PaletteForm(palette), dense);
        if (request.Storage == SparseStorage.Dense) return everyElement;
        everyElement.Reason = WhyNotSparse();
        if (everyElement.Reason.Length > 0) return everyElement;
        var sparse = SparseForms(palette).MinBy(plan => plan.StoredByteLength);
        if (sparse is not null && sparse.StoredByteLength < everyElement.StoredByteLength) return sparse;
        everyElement.Reason = FormattableString.Invariant($"{100 * profile.Sparsity:0.0} % zeros are too few to gain from sparse storage");
        return everyElement;
    }

    private string WhyNotSparse() => request.Storage == SparseStorage.Gaps && request.Opset < UnpackingOperators.MinGapsOpset
        ? FormattableString.Invariant($"opset {request.Opset} cannot unpack gaps; opset {UnpackingOperators.MinGapsOpset} and later can, and a bit mask works now")
        : "";

    private IEnumerable<PackingPlan> SparseForms(ValuePalette<T>? palette)
    {
        if (profile.Stored == 0) yield break;
        if (request.Storage != SparseStorage.Gaps)
        {
            yield return BitmaskForm(null);
            if (palette?.With(background, true) is { } stored) yield return BitmaskForm(stored);
        }

        bool gapsCanWin = request.Storage == SparseStorage.Gaps || profile.Sparsity > 1 - MaxGapsDensity;
        if (request.Storage == SparseStorage.Bitmask || request.Opset < UnpackingOperators.MinGapsOpset || !gapsCanWin) yield break;
        var gaps = profile.WithFillers(elements, background);
        foreach (int width in BackgroundProfile.GapWidths)
        {
            if (width > 8 && request.Opset < UnpackingOperators.MinWideGapsOpset) continue;
            yield return GapsForm(gaps, width, null);
            bool hasFillers = gaps.GapEntries(width) > gaps.Stored;
            if (palette?.With(background, hasFillers) is { } stored) yield return GapsForm(gaps, width, stored);
        }
    }

    private PackingPlan PaletteForm(ValuePalette<T> palette)
    {
        var ops = new UnpackingOperators(request.Opset);
        long[] dims = tensor.Dims.ToArray();
        if (palette.Values.Length == 1 && request.Opset >= UnpackingOperators.MinFillOpset)
        {
            ops.Fill(dims, Tensor.Create(tensor.DataType, [1], palette.Values));
            return Made(PackingKind.Palette, ops, 0, 0);
        }

        Pick(ops, palette, new PackedCodes("codes", elements.Count, palette.Width, Once(() => palette.Encode(elements.Span))), dims);
        return Made(PackingKind.Palette, ops, palette.Width, 0);
    }

    private PackingPlan BitmaskForm(ValuePalette<T>? palette)
    {
        var ops = new UnpackingOperators(request.Opset);
        var source = elements;
        int stored = (int)profile.Stored;
        int ordinals = ops.OrdinalsFromMask(new PackedCodes("mask", elements.Count, 1, Once(() => SparseEncoder.Mask(source.Span, background))));
        int values = Values(ops, palette, [stored + 1], () => SparseEncoder.BackgroundAndStored(source.Span, background, stored));
        Finish(ops, ops.Pick(values, ordinals), tensor.Rank == 1);
        return Made(PackingKind.Bitmask, ops, palette?.Width ?? 0, 0);
    }

    private PackingPlan GapsForm(BackgroundProfile gaps, int width, ValuePalette<T>? palette)
    {
        var ops = new UnpackingOperators(request.Opset);
        var source = elements;
        int count = (int)gaps.GapEntries(width);
        var entries = Once(() => SparseEncoder.Gaps(source.Span, background, width, count));
        int positions = width > 8
            ? ops.PositionsFromWideGaps(count, () => entries().Distances)
            : ops.PositionsFromGaps(new PackedCodes("gaps", count, width, () => Array.ConvertAll(entries().Distances, d => (byte)d)));
        int values = Values(ops, palette, [1, count], () => entries().Values);
        Finish(ops, ops.Scatter(elements.Count, Background(), positions, values), tensor.Rank == 2 && tensor.Dims[0] == 1);
        return Made(PackingKind.Gaps, ops, palette?.Width ?? 0, width);
    }

    /// <summary>The stored elements: as they are, or as palette indices.</summary>
    private int Values(UnpackingOperators ops, ValuePalette<T>? palette, long[] dims, Func<T[]> values) => palette is null
        ? ops.Recipe.Add(new ConstantStep("values", tensor.DataType, dims, () => Tensor.Create(tensor.DataType, dims, values())))
        : Pick(ops, palette, new PackedCodes("codes", dims[^1], palette.Width, Once(() => palette.Encode(values()))), dims);

    private int Pick(UnpackingOperators ops, ValuePalette<T> palette, PackedCodes codes, long[] dims)
    {
        long[] paletteDims = [palette.Values.Length];
        int table = ops.Recipe.Add(new ConstantStep("palette", tensor.DataType, paletteDims, () => Tensor.Create(tensor.DataType, paletteDims, palette.Values)));
        return ops.Pick(table, palette.Values.Length, codes, dims);
    }

    private void Finish(UnpackingOperators ops, int flat, bool hasShape)
    {
        if (!hasShape) ops.Reshape(flat, tensor.Dims.ToArray());
    }

    /// <summary>The background as a one-element tensor; null for float 0, the operator's default.</summary>
    private Tensor? Background() =>
        tensor.DataType == DataType.Float ? null : Tensor.Create(tensor.DataType, [1], new[] { background });

    private PackingPlan Made(PackingKind kind, UnpackingOperators ops, int paletteBits, int gapBits) =>
        new(kind, tensor, request, ops.Recipe, "")
        {
            DenseByteLength = dense.StoredByteLength,
            Sparsity = profile.Sparsity,
            PaletteBits = paletteBits,
            GapBits = gapBits,
        };

    private static PackingPlan Smaller(PackingPlan form, PackingPlan dense) => form.StoredByteLength < dense.StoredByteLength ? form : dense;

    private static Func<TResult> Once<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicParameterlessConstructor)] TResult>(Func<TResult> make)
    {
        var lazy = new Lazy<TResult>(make);
        return () => lazy.Value;
    }
}
