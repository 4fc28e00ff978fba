using System.Globalization;

namespace ModelCompression.Pipeline.Search;

/// <summary>A way to store one layer, as metadata.</summary>
/// <param name="Label">Short name.</param>
/// <param name="Settings">Metadata; the same names for all methods, so that a rule undoes what the item says.</param>
internal sealed record LayerMethod(string Label, SortedDictionary<string, string> Settings)
{
    /// <summary>Leaves the layer as it is.</summary>
    public static readonly LayerMethod Untouched = Make("float", "None", new());

    /// <summary>Binary16: for layers that no codes suit.</summary>
    public static readonly LayerMethod Half = Make("float16", "Float16", new());

    /// <summary>True if its figures follow from those of other sparsities well enough.</summary>
    public bool IsBetween { get; init; }

    /// <summary>Fraction of zeros it asks for.</summary>
    public double Sparsity => Settings.TryGetValue("Sparsity", out string? text) ? double.Parse(text, CultureInfo.InvariantCulture) : 0;

    /// <summary>Bits of its codes.</summary>
    public string Bits => Settings.GetValueOrDefault("WeightBits", "");

    /// <summary>True for codes on a grid, to which a method rounds; values of a palette are chosen, and binary16 is what it is.</summary>
    public bool IsRounded => Settings.ContainsKey("WeightBits") && Settings.GetValueOrDefault("QuantizationScheme") != "Codebook";

    /// <summary>True if no weight is removed.</summary>
    public bool IsDense => Sparsity == 0;

    /// <summary>Codes of 2 to 8 bits without pruning.</summary>
    public static LayerMethod Codes(int bits, int? block = null, string scheme = "Symmetric") => Make(
        string.Create(CultureInfo.InvariantCulture, $"{bits} bit{(scheme == "Symmetric" ? "" : " " + scheme.ToLowerInvariant())}{(block is null ? "" : $" /{block}")}"),
        "WeightOnly",
        CodeSettings(bits, block, scheme));

    /// <summary>The smallest weights removed, the others in codes.</summary>
    public static LayerMethod Sparse(double sparsity, int bits, string scheme = "Symmetric")
    {
        var settings = CodeSettings(bits, null, scheme);
        AddPruning(settings, sparsity);
        return Make(string.Create(CultureInfo.InvariantCulture, $"{100 * sparsity:0} % pruned, {bits} bit{(scheme == "Symmetric" ? "" : " " + scheme.ToLowerInvariant())}"), "WeightOnly", settings);
    }

    /// <summary>Only pruned: what pruning alone loses.</summary>
    public static LayerMethod OnlyPruned(double sparsity)
    {
        var settings = new SortedDictionary<string, string>(StringComparer.Ordinal) { ["SparseStorage"] = "Dense" };
        AddPruning(settings, sparsity);
        return Make(string.Create(CultureInfo.InvariantCulture, $"{100 * sparsity:0} % pruned"), "None", settings);
    }

    private static void AddPruning(SortedDictionary<string, string> settings, double sparsity)
    {
        settings["Pruning"] = "Magnitude";
        settings["PruningScope"] = "Layer";
        settings["Sparsity"] = sparsity.ToString(CultureInfo.InvariantCulture);
    }

    private static SortedDictionary<string, string> CodeSettings(int bits, int? block, string scheme)
    {
        var settings = new SortedDictionary<string, string>(StringComparer.Ordinal) { ["WeightBits"] = bits.ToString(CultureInfo.InvariantCulture), ["QuantizationScheme"] = scheme };
        if (block is { } size)
        {
            settings["QuantizationGranularity"] = "Block";
            settings["BlockSize"] = size.ToString(CultureInfo.InvariantCulture);
        }
        else if (bits == 8)
        {
            // Auto would spend on these layers what others save, up to a share of the whole model.
            settings["QuantizationFormat"] = "Folded";
        }

        return settings;
    }

    private static LayerMethod Make(string label, string quantization, SortedDictionary<string, string> settings)
    {
        settings["Quantization"] = quantization;
        return new(label, settings);
    }
}
