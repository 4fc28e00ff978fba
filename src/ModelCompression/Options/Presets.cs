namespace ModelCompression.Options;

/// <summary>What the presets stand for. docs/performance.md has the measurements behind them.</summary>
public static class Presets
{
    /// <summary>Options of a preset before explicit metadata.</summary>
    /// <param name="preset">The preset.</param>
    /// <param name="isCalibrated">True when the item has <c>CalibrationData</c>.</param>
    /// <remarks>
    /// <c>Smallest</c> stores each weight in as few bits, from 4 on, as leave an expected error of 25 dB in all. <c>Fastest</c> computes with integers: with ranges from
    /// calibration data where there is some, else with ranges taken at every run.
    /// </remarks>
    public static CompressionOptions Of(Preset preset, bool isCalibrated = false) => preset switch
    {
        Preset.Lossless => new() { Preset = preset, Quantization = QuantizationMode.None },
        Preset.Fastest => new() { Preset = preset, Quantization = isCalibrated ? QuantizationMode.Static : QuantizationMode.Dynamic },
        _ => new() { Preset = preset, Quantization = QuantizationMode.WeightOnly },
    };
}
