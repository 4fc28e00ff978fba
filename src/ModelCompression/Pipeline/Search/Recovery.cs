using System.Globalization;
using ModelCompression.Options;

namespace ModelCompression.Pipeline.Search;

/// <summary>A setting for the whole model that may let a mix pass which does not without it.</summary>
/// <param name="Label">Short name; empty for none.</param>
/// <param name="Item">Metadata of the item.</param>
/// <param name="Layer">Metadata of every layer that is rounded to codes.</param>
/// <param name="DenseOnly">True when layers cannot also lose single weights.</param>
internal sealed record Recovery(string Label, SortedDictionary<string, string> Item, SortedDictionary<string, string> Layer, bool DenseOnly)
{
    /// <summary>Nothing.</summary>
    public static readonly Recovery None = new("", Empty(), Empty(), false);

    /// <summary>Fewest trials in which a recovery can show what it is worth.</summary>
    public const int Trials = 5;

    /// <summary>True for the refit of pruned layers, where it is not part of every trial.</summary>
    public bool Refits { get; private init; }

    /// <summary>What the data at hand allows and the user has not decided.</summary>
    /// <param name="options">Options.</param>
    /// <param name="canRefit">True to try refitted layers.</param>
    public static IEnumerable<Recovery> For(CompressionOptions options, bool canRefit)
    {
        if (canRefit) yield return new("refitted", Empty(), Empty(), false) { Refits = true };
        if (options.TrainingData.Count > 0) yield return new("fine-tuned", With("FineTuneEpochs", "2"), Empty(), false);
        if (options.CalibrationData.Count > 0)
        {
            foreach (var algorithm in new[] { QuantizationAlgorithm.Gptq, QuantizationAlgorithm.AdaRound })
                yield return new(algorithm.ToString(), Empty(), With("QuantizationAlgorithm", algorithm.ToString()), false);
        }

        yield return new("Hqq", Empty(), With("QuantizationAlgorithm", "Hqq"), false);
        // Without data nothing makes up for a lost channel.
        if (options.CalibrationData.Count > 0 || options.TrainingData.Count > 0) yield return Channels(0.25);
    }

    /// <summary>Channels removed before the rest is stored in codes.</summary>
    public static Recovery Channels(double sparsity) => new(
        string.Create(CultureInfo.InvariantCulture, $"{100 * sparsity:0} % of the channels removed"), ChannelSettings(sparsity, "Magnitude"), Empty(), true);

    /// <summary>Metadata that removes channels.</summary>
    public static SortedDictionary<string, string> ChannelSettings(double sparsity, string criterion) => new(StringComparer.Ordinal)
    {
        ["Pruning"] = criterion,
        ["PruningPattern"] = "Channel",
        ["Sparsity"] = sparsity.ToString(CultureInfo.InvariantCulture),
    };

    private static SortedDictionary<string, string> Empty() => new(StringComparer.Ordinal);

    private static SortedDictionary<string, string> With(string name, string value) => new(StringComparer.Ordinal) { [name] = value };
}
