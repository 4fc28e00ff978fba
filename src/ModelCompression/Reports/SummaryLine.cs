using System.Globalization;

namespace ModelCompression.Reports;

/// <summary>The one line per model in the build output.</summary>
public static class SummaryLine
{
    private static readonly CultureInfo Invariant = CultureInfo.InvariantCulture;

    /// <summary><c>digits.onnx: 1.24 MB -> 0.33 MB (-73.4 %), Top1 0.984 -> 0.983</c></summary>
    public static string Format(CompressionReport report)
    {
        string name = Path.GetFileName(report.Model);
        string unit = Math.Max(report.Original.Bytes, report.Compressed.Bytes) >= 100_000 ? "MB" : "kB";
        double divisor = unit == "MB" ? 1e6 : 1e3;
        double change = report.Original.Bytes == 0 ? 0 : ((double)report.Compressed.Bytes / report.Original.Bytes) - 1;
        string line = string.Create(Invariant, $"{name}: {report.Original.Bytes / divisor:0.00} {unit} -> {report.Compressed.Bytes / divisor:0.00} {unit} ({change * 100:+0.0;-0.0;0.0} %)");
        if (report.Status == "original") return $"{line}, original kept: {report.StatusReason}";
        if (report.Validation is { } v) return line + string.Create(Invariant, $", {v.Metric} {Number(v.Original)} -> {Number(v.Compressed)}");
        if (report.Fidelity is not { } f) return line;
        if (!f.OutputsVary) return $"{line}, not judged: the original's outputs do not vary on {f.Inputs} inputs";
        string sqnr = f.SqnrDb is { } db ? string.Create(Invariant, $"SQNR {db:0.0} dB") : "outputs equal";
        return $"{line}, {sqnr} on {f.Inputs} inputs{(report.IsFidelityFitted ? " that weights were fitted to" : "")}";
    }

    /// <summary>A number of bytes for messages: <c>0.33 MB</c>, <c>12.40 kB</c>.</summary>
    public static string Size(long bytes) => string.Create(Invariant, $"{(bytes >= 100_000 ? bytes / 1e6 : bytes / 1e3):0.00} {(bytes >= 100_000 ? "MB" : "kB")}");

    /// <summary>A figure with the decimals of a format; one so small that only zeros would be left of it, such as the mean squared error of small outputs, with three digits.</summary>
    internal static string Decimals(double value, string format)
    {
        string text = value.ToString(format, Invariant);
        return value != 0 && double.IsFinite(value) && text.AsSpan().IndexOfAnyInRange('1', '9') < 0 ? value.ToString("G3", Invariant) : text;
    }

    private static string Number(double? value) => value is { } number ? Decimals(number, "0.000") : "infinite";
}
