namespace ModelCompression.Options;

/// <summary>What the presets stand for.</summary>
public static class Presets
{
    /// <summary>Options of a preset before explicit metadata.</summary>
    public static CompressionOptions Of(Preset preset) => preset switch
    {
        Preset.Lossless => new() { Preset = preset, Quantization = QuantizationMode.None },
        _ => new() { Preset = preset, Quantization = QuantizationMode.WeightOnly },
    };
}
