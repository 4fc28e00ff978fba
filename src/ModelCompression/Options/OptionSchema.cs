namespace ModelCompression.Options;

/// <summary>All options, the single source of truth. Order is that of the documentation.</summary>
public static partial class OptionSchema
{
    private const string DataAllowed = "`;` list of .npz files, folders in ONNX test layout, folders of .npy files";

    /// <summary>The definitions.</summary>
    public static IReadOnlyList<OptionDefinition> All { get; } = [.. General(), .. Pruning(), .. Quantization(), .. Calibration(), .. Scope(), .. Validation(), .. Search()];

    /// <summary>Finds a definition by name, ignoring case; null when there is none.</summary>
    public static OptionDefinition? Find(string name) => All.FirstOrDefault(d => d.Name.Equals(name, StringComparison.OrdinalIgnoreCase));

    private static IEnumerable<OptionDefinition> General()
    {
        var b = new OptionBuilder("General");
        yield return b.Choice<Preset>("Preset", "Starting point for everything below; explicit metadata wins. `Lossless` = graph clean-up only; `Balanced` = safe without any data; `Smallest` = fewest bytes; `Fastest` = lowest latency on the target CPU.",
            (o, v) => o with { Preset = v }, o => o.Preset, "Balanced");
        yield return b.Choice<InnerNames>("InnerNames", "Names of values inside the model, which no caller sees: `Auto` shortens them, cuts the path that all nodes' names begin with and drops declared types that follow from the rest, where that saves 4 KB and about half a percent of the result, or 1 KB and half a percent of the original; `Keep` leaves them.",
            (o, v) => o with { InnerNames = v }, o => o.InnerNames, "Auto");
        yield return b.Integer("Seed", "Everything random derives from it.", 0, int.MaxValue, (o, v) => o with { Seed = v }, o => o.Seed, "0");
    }

    private static IEnumerable<OptionDefinition> Pruning()
    {
        var b = new OptionBuilder("Pruning");
        yield return b.Choice<PruningCriterion>("Pruning", "Importance criterion: what ranks the weights or channels.", (o, v) => o with { Pruning = v }, o => o.Pruning, "None", rule: true);
        yield return new OptionDefinition
        {
            Name = "PruningPattern",
            Kind = OptionKind.Choice,
            Category = "Pruning",
            AllowedInRule = true,
            Default = "Unstructured",
            Choices = ["Unstructured", "Channel"],
            Allowed = "Unstructured, Channel, or N:M with 1 ≤ N < M (for example 2:4)",
            Meaning = "What is removed: single weights; all but N of every M consecutive weights along the reduction axis; or whole channels with every edge connected to them.",
            Parse = (o, text) => OptionValueParsers.Pattern(text) is { } pattern ? o with { PruningPattern = pattern } : null,
            Format = o => o.PruningPattern.ToString(),
        };
        yield return b.Real("Sparsity", "Fraction removed: of the weights (`Unstructured`) or of the channels (`Channel`).", "a real number, 0 ≤ s < 1", v => v is >= 0 and < 1,
            (o, v) => o with { Sparsity = v }, o => o.Sparsity, rule: true);
        yield return b.Choice<PruningScope>("PruningScope", "Rank within each layer, or across the model.", (o, v) => o with { PruningScope = v }, o => o.PruningScope, "Global", rule: true);
        yield return b.Integer("ChannelMultiple", "Kept channel counts are rounded up to this multiple.", 1, int.MaxValue, (o, v) => o with { ChannelMultiple = v }, o => o.ChannelMultiple, "8", rule: true);
        yield return b.Choice<Compensation>("Compensation", "Refit of the remaining weights on calibration activations.", (o, v) => o with { Compensation = v }, o => o.Compensation, "LeastSquares when data is there", rule: true);
        yield return b.Real("GradientMeanThreshold", "`GradientStability`: a unit goes when the absolute mean of its gradient is at most this and its standard deviation at most `GradientStdThreshold`.", "a real number ≥ 0", v => v >= 0,
            (o, v) => o with { GradientMeanThreshold = v }, o => o.GradientMeanThreshold, rule: true);
        yield return b.Real("GradientStdThreshold", "See `GradientMeanThreshold`.", "a real number ≥ 0", v => v >= 0, (o, v) => o with { GradientStdThreshold = v }, o => o.GradientStdThreshold, rule: true);
        yield return b.List("TrainingData", "Mini-batches with labels for gradients and fine-tuning.", OptionKind.Data, DataAllowed, (o, v) => o with { TrainingData = v }, o => o.TrainingData);
        yield return b.Integer("GradientIterations", "Number of gradient samples per unit.", 2, int.MaxValue, (o, v) => o with { GradientIterations = v }, o => o.GradientIterations, "all batches");
        yield return b.Integer("FineTuneEpochs", "Epochs of recovery training after pruning.", 0, int.MaxValue, (o, v) => o with { FineTuneEpochs = v }, o => o.FineTuneEpochs, "0");
        yield return b.Real("LearningRate", "Learning rate of recovery training.", "a real number > 0", v => v > 0, (o, v) => o with { LearningRate = v }, o => o.LearningRate);
        yield return b.Choice<FineTuneLoss>("FineTuneLoss", "Loss of recovery training.", (o, v) => o with { FineTuneLoss = v }, o => o.FineTuneLoss, "Labels when the data has them, else Distillation");
        yield return b.Choice<SparseStorage>("SparseStorage", "How pruned weights are stored: with their zeros, or in fewer bytes that unpack themselves when a session is created.", (o, v) => o with { SparseStorage = v }, o => o.SparseStorage, "Auto", rule: true);
    }

    private static IEnumerable<OptionDefinition> Quantization()
    {
        var b = new OptionBuilder("Quantization");
        yield return b.Choice<QuantizationMode>("Quantization", "Scheme: weights only, dynamic or static activations as well, or binary16.", (o, v) => o with { Quantization = v }, o => o.Quantization, "from the preset: WeightOnly for Balanced and Smallest, None for Lossless; for Fastest Static with CalibrationData, else Dynamic", rule: true);
        yield return b.Integer("WeightBits", "Bits per weight.", 2, 8, (o, v) => o with { WeightBits = v }, o => o.WeightBits, "8", rule: true);
        yield return b.Integer("ActivationBits", "Bits per activation, for `Static` and `Dynamic`.", 8, 16, (o, v) => o with { ActivationBits = v }, o => o.ActivationBits, "8", rule: true, allowed: "8, 16", check: v => v is 8 or 16);
        yield return b.Choice<QuantizationScheme>("QuantizationScheme", "Integer mapping; `PowerOfTwo` = fixed point; `Codebook` = k-means palette of 2^bits values.", (o, v) => o with { QuantizationScheme = v }, o => o.QuantizationScheme, "Symmetric", rule: true);
        yield return b.Choice<QuantizationGranularity>("QuantizationGranularity", "How many weights share a scale.", (o, v) => o with { QuantizationGranularity = v }, o => o.QuantizationGranularity, "Channel", rule: true);
        yield return b.Integer("BlockSize", "Weights per scale along the reduction axis, for `Block`.", 16, 1 << 20, (o, v) => o with { BlockSize = v }, o => o.BlockSize, "32", rule: true, allowed: "a power of two ≥ 16", check: int.IsPow2);
        yield return b.Choice<QuantizationFormat>("QuantizationFormat", "How it is written into the graph; `Folded` = weights that unpack themselves when a session is created; `Auto` takes what is smallest without being slower.", (o, v) => o with { QuantizationFormat = v }, o => o.QuantizationFormat, "Auto", rule: true);
        yield return b.Choice<QuantizationAlgorithm>("QuantizationAlgorithm", "How weights are rounded.", (o, v) => o with { QuantizationAlgorithm = v }, o => o.QuantizationAlgorithm, "RoundToNearest", rule: true);
        yield return b.Choice<Equalization>("Equalization", "Rescaling across layers before quantization.", (o, v) => o with { Equalization = v }, o => o.Equalization, "None", rule: true);
        yield return b.Boolean("BiasCorrection", "Corrects biases for the mean error of quantized weights.", (o, v) => o with { BiasCorrection = v }, o => o.BiasCorrection, "true when data is there");
        yield return b.Choice<TargetCpu>("TargetCpu", "CPU the result is for: without VNNI, int8×uint8 products must not saturate. Matters with `Quantization=Dynamic` and `Static` only.", (o, v) => o with { TargetCpu = v }, o => o.TargetCpu, "Any");
    }

    private static IEnumerable<OptionDefinition> Calibration()
    {
        var b = new OptionBuilder("Calibration");
        yield return b.List("CalibrationData", "Samples from which the ranges of activations are taken.", OptionKind.Data, DataAllowed, (o, v) => o with { CalibrationData = v }, o => o.CalibrationData);
        yield return b.Integer("CalibrationSamples", "Most samples used of it.", 1, int.MaxValue, (o, v) => o with { CalibrationSamples = v }, o => o.CalibrationSamples, "300");
        yield return b.Choice<CalibrationMethod>("CalibrationMethod", "Choice of activation ranges.", (o, v) => o with { CalibrationMethod = v }, o => o.CalibrationMethod, "MinMax");
        yield return b.Real("CalibrationPercentile", "Percentile of `CalibrationMethod=Percentile`.", "a real number, 50 < p ≤ 100", v => v is > 50 and <= 100, (o, v) => o with { CalibrationPercentile = v }, o => o.CalibrationPercentile, "99.999");
    }

    private static IEnumerable<OptionDefinition> Scope()
    {
        var b = new OptionBuilder("Scope");
        const string wildcards = "`;` list, `*` stands for any characters";
        yield return b.List("IncludeOpTypes", "Operators to work on; all when empty.", OptionKind.List, wildcards, (o, v) => o with { IncludeOpTypes = v }, o => o.IncludeOpTypes);
        yield return b.List("ExcludeOpTypes", "Operators to leave alone.", OptionKind.List, wildcards, (o, v) => o with { ExcludeOpTypes = v }, o => o.ExcludeOpTypes);
        yield return b.List("ExcludeNodes", "Nodes to leave alone, by name.", OptionKind.List, wildcards, (o, v) => o with { ExcludeNodes = v }, o => o.ExcludeNodes);
    }
}
