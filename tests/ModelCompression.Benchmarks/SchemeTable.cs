using System.Diagnostics;
using System.Globalization;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Options;
using ModelCompression.Pipeline;
using ModelCompression.Runtime;
using ModelCompression.Runtime.Latency;

namespace ModelCompression.Benchmarks;

/// <summary>Compresses models by every scheme, and by other tools, and prints bytes, fidelity, accuracy and latency of each result as a table row. All results are judged by the same code.</summary>
internal static class SchemeTable
{
    private static readonly CultureInfo Invariant = CultureInfo.InvariantCulture;

    private static readonly LatencySettings ShortTiming = new() { TimeLimit = TimeSpan.FromSeconds(1) };

    /// <summary>4 bits for the weights of MatMul alone, which is what other tools treat.</summary>
    private static readonly (string, string)[] Products = [("Quantization", "WeightOnly"), ("WeightBits", "4"), ("QuantizationGranularity", "Block"), ("IncludeOpTypes", "MatMul")];

    private static readonly (string Name, bool NeedsCalibration, (string, string)[] Settings)[] Schemes =
    [
        ("Balanced", false, []),
        ("WeightOnly 8", false, [("Quantization", "WeightOnly")]),
        ("WeightOnly 8, Folded", false, [("Quantization", "WeightOnly"), ("QuantizationFormat", "Folded")]),
        ("WeightOnly 6", false, [("WeightBits", "6")]),
        ("WeightOnly 5", false, [("WeightBits", "5")]),
        ("WeightOnly 4", false, [("WeightBits", "4")]),
        ("WeightOnly 4, blocks of 32", false, [("WeightBits", "4"), ("QuantizationGranularity", "Block")]),
        ("WeightOnly 4, blocks, Hqq", false, [("WeightBits", "4"), ("QuantizationGranularity", "Block"), ("QuantizationAlgorithm", "Hqq")]),
        ("WeightOnly 4, blocks, Gptq", true, [("WeightBits", "4"), ("QuantizationGranularity", "Block"), ("QuantizationAlgorithm", "Gptq")]),
        ("WeightOnly 4, products", false, [.. Products]),
        ("WeightOnly 4, products, Hqq", false, [.. Products, ("QuantizationAlgorithm", "Hqq")]),
        ("WeightOnly 4, products, Gptq", true, [.. Products, ("QuantizationAlgorithm", "Gptq")]),
        ("WeightOnly 4, products, asymmetric", false, [.. Products, ("QuantizationScheme", "Asymmetric")]),
        ("WeightOnly 4, products, asymmetric, Hqq", false, [.. Products, ("QuantizationScheme", "Asymmetric"), ("QuantizationAlgorithm", "Hqq")]),
        ("WeightOnly 4, products, asymmetric, Gptq", true, [.. Products, ("QuantizationScheme", "Asymmetric"), ("QuantizationAlgorithm", "Gptq")]),
        ("WeightOnly 4, products, asymmetric, blocks of 16", false, [.. Products, ("QuantizationScheme", "Asymmetric"), ("BlockSize", "16")]),
        ("Codebook 5", false, [("WeightBits", "5"), ("QuantizationScheme", "Codebook")]),
        ("Codebook 4", false, [("WeightBits", "4"), ("QuantizationScheme", "Codebook")]),
        ("Codebook 3", false, [("WeightBits", "3"), ("QuantizationScheme", "Codebook")]),
        ("Dynamic", false, [("Quantization", "Dynamic")]),
        ("Dynamic, X64Vnni", false, [("Quantization", "Dynamic"), ("TargetCpu", "X64Vnni")]),
        ("Dynamic, products", false, [("Quantization", "Dynamic"), ("IncludeOpTypes", "MatMul;Gemm")]),
        ("Dynamic, products, X64Vnni", false, [("Quantization", "Dynamic"), ("IncludeOpTypes", "MatMul;Gemm"), ("TargetCpu", "X64Vnni")]),
        ("Static", true, [("Quantization", "Static")]),
        ("Static, QDQ", true, [("Quantization", "Static"), ("QuantizationFormat", "QDQ")]),
        ("Static, X64Vnni", true, [("Quantization", "Static"), ("TargetCpu", "X64Vnni")]),
        ("Float16", false, [("Quantization", "Float16")]),
        ("Smallest", false, [("Preset", "Smallest")]),
        ("Smallest, calibrated", true, [("Preset", "Smallest")]),
        ("Fastest", false, [("Preset", "Fastest")]),
        ("Fastest, calibrated", true, [("Preset", "Fastest")]),
    ];

    /// <summary>See <see cref="SchemeArguments"/>.</summary>
    public static int Run(string[] args)
    {
        foreach (var arguments in SchemeArguments.Parse(args)) PrintTable(arguments);
        return 0;
    }

    private static void PrintTable(SchemeArguments arguments)
    {
        string folder = arguments.Results.Length > 0 ? Path.Combine(arguments.Results, Path.GetFileNameWithoutExtension(arguments.Model)) : Directory.CreateTempSubdirectory("schemes-").FullName;
        Directory.CreateDirectory(folder);
        try
        {
            Console.WriteLine($"| {Path.GetFileName(arguments.Model)} | ratio | SQNR dB | task | latency |\n|---|---|---|---|---|");
            foreach (var (name, needsCalibration, settings) in Schemes)
            {
                if ((needsCalibration && arguments.Calibration.Length == 0) || (arguments.Only.Count > 0 && !arguments.Only.Contains(name))) continue;
                var all = settings.Append(("CalibrationData", needsCalibration ? arguments.Calibration : "")).ToDictionary(s => s.Item1, s => s.Item2);
                Row(name, folder, arguments, output => SettingsRun.Compress(arguments.Model, output, all) is { Report: null, ErrorCodes: var codes } ? codes : null);
            }

            foreach (var (name, command) in arguments.Others) Row(name, folder, arguments, output => Execute(command, output, arguments));
        }
        finally
        {
            if (arguments.Results.Length == 0) Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Makes and measures what is not there already.</summary>
    private static void Row(string name, string folder, SchemeArguments arguments, Func<string, string?> make)
    {
        string output = Path.Combine(folder, name + ".onnx"), kept = Path.Combine(folder, name + ".json");
        var result = SchemeResult.Read(kept);
        if (result is null && arguments.MeasuresQuality)
        {
            string? failure = make(output);
            result = failure is null ? Guarded(() => SchemeResult.Judge(output, arguments)) : new() { Failure = failure };
        }

        if (result is null) return;
        if (arguments.MeasuresLatency && result is { Failure: null, LatencyRatio: null }) result = Guarded(() => result with { LatencyRatio = LatencyRatio(output, arguments) });
        result.Write(kept);
        Print(name, result);
    }

    private static SchemeResult Guarded(Func<SchemeResult> judge)
    {
        try
        {
            return judge();
        }
        catch (DiagnosticException e)
        {
            return new() { Failure = e.Diagnostic.Code };
        }
    }

    private static double? LatencyRatio(string result, SchemeArguments arguments)
    {
        using var model = OnnxReader.Read(arguments.Model);
        using var data = RunData.Open(new CompressionOptions { ValidationData = arguments.Validation.Length > 0 ? [arguments.Validation] : [] }, model);
        return data.FidelitySamples.Count == 0 ? null : LatencyMeter.Measure(arguments.Model, result, data.FidelitySamples.Read(0, 0), ShortTiming).Ratio;
    }

    private static string? Execute(string command, string output, SchemeArguments arguments)
    {
        string line = command.Replace("{in}", $"'{arguments.Model}'", StringComparison.Ordinal).Replace("{out}", $"'{output}'", StringComparison.Ordinal).Replace("{calibration}", $"'{arguments.Calibration}'", StringComparison.Ordinal);
        using var process = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", line]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        process.ErrorDataReceived += (_, _) => { };
        process.BeginErrorReadLine();
        process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 && File.Exists(output) ? null : "fails";
    }

    private static void Print(string name, SchemeResult result)
    {
        if (result.Failure is { } failure)
        {
            Console.WriteLine($"| {name} | {failure} | | | |");
            return;
        }

        string task = result.SameText is { } text ? $"{Number(100 * text, "0.0")} % alike" : result.Accuracy is { } accuracy ? $"{Number(100 * accuracy.Original, "0.00")} → {Number(100 * accuracy.Result, "0.00")} %" : "";
        Console.WriteLine($"| {name} | {Number((double)result.Bytes / result.OriginalBytes, "0.000")} | {Number(result.SqnrDb, "0.0")} | {task} | {Number(result.LatencyRatio, "0.00")} |");
    }

    private static string Number(double? value, string format) => value?.ToString(format, Invariant) ?? "";
}
