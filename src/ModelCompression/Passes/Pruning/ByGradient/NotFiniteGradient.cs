using ModelCompression.Gradients;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;

namespace ModelCompression.Passes.Pruning.ByGradient;

/// <summary>A loss or gradient that is no finite number, and the search for the samples that make it so.</summary>
/// <param name="Batch">Number of the mini-batch in its round.</param>
/// <param name="Weight">Number of the weight, or null for the loss.</param>
internal sealed record NotFiniteGradient(int Batch, int? Weight)
{
    /// <summary>Samples that a message lists.</summary>
    private const int Listed = 5;

    /// <summary>Says which samples are at fault, if they are: each of the mini-batch is computed alone.</summary>
    /// <param name="first">Number of the round's first mini-batch.</param>
    /// <param name="batches">Feeds of all mini-batches.</param>
    /// <param name="weights">The weights.</param>
    /// <param name="areFinite">Tells whether loss and gradients of some feeds are finite.</param>
    /// <param name="source">Tells where feeds come from.</param>
    public DiagnosticException Explain(int first, IReadOnlyList<int[]> batches, IReadOnlyList<Value> weights, Func<IReadOnlyList<int>, bool> areFinite, IGradientSource source)
    {
        int[] feeds = [.. batches[first + Batch].Order()];
        var bad = feeds.Where(f => !areFinite([f])).Select(source.OriginOf).ToList();
        var damaged = bad.FindAll(o => o.NotFiniteInput is not null);
        var named = damaged.Count > 0 && (damaged.Count == bad.Count || bad.Count < feeds.Length) ? damaged : bad.Count > 0 ? bad : [.. feeds.Select(source.OriginOf)];
        string names = Names(named, source.RowsPerFeed == 1 ? "sample" : "batch");
        var (cause, check) =
            named == damaged ? ($"because of {names}, with NaN or an infinity in input '{damaged[0].NotFiniteInput}'", "Clean the data, leave that out")
            : bad.Count == 0 ? ($"for {names} together, though it is for each alone", "Look for values out of the range that the model was trained with")
            : bad.Count == feeds.Length ? ($"for {names}, together and alone", "Check the model's weights for NaN and infinities, and that the data has the range that the model was trained with")
            : ($"because of {names}, though the inputs are finite", "Look for values out of the range that the model was trained with");
        string what = Weight is { } weight ? $"the gradient of '{weights[weight].Name}'" : "the loss";
        string message = FormattableString.Invariant($"In mini-batch {first + Batch} {what} is not a finite number {cause}. {check}, or choose a criterion that needs no gradients (Pruning=Magnitude).");
        return new(Diagnostic.Error("MCB4062", message) with { File = named[0].File });
    }

    /// <summary>The first of some feeds, by their numbers in the first one's file.</summary>
    private static string Names(List<FeedOrigin> feeds, string unit)
    {
        var listed = feeds.FindAll(f => f.File == feeds[0].File).Take(Listed).Select(f => FormattableString.Invariant($"{f.Number}")).ToList();
        string plural = listed.Count == 1 ? unit : unit == "batch" ? "batches" : "samples";
        string more = feeds.Count > listed.Count ? FormattableString.Invariant($" and {feeds.Count - listed.Count} more") : "";
        return $"{plural} {string.Join(", ", listed)}{more} of {Path.GetFileName(feeds[0].File)}";
    }
}
