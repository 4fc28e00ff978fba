using System.Diagnostics;
using System.Globalization;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Pipeline.Inspection;
using ModelCompression.Reports;

namespace ModelCompression.Benchmarks;

/// <summary>Compresses one model by every scheme, and by other tools, and prints bytes, fidelity, accuracy and latency of each result as a table row.</summary>
internal static class SchemeTable
{
    private static readonly CultureInfo Invariant = CultureInfo.InvariantCulture;

    private static readonly (string Name, bool NeedsCalibration, (string, string)[] Settings)[] Schemes =
    [
        ("Balanced", false, []),
        ("WeightOnly 8, Folded", false, [("Quantization", "WeightOnly"), ("QuantizationFormat", "Folded")]),
        ("WeightOnly 6", false, [("WeightBits", "6")]),
        ("WeightOnly 5", false, [("WeightBits", "5")]),
        ("WeightOnly 4", false, [("WeightBits", "4")]),
        ("WeightOnly 4, blocks of 32", false, [("WeightBits", "4"), ("QuantizationGranularity", "Block")]),
        ("WeightOnly 4, blocks, Hqq", false, [("WeightBits", "4"), ("QuantizationGranularity", "Block"), ("QuantizationAlgorithm", "Hqq")]),
        ("WeightOnly 4, blocks, Gptq", true, [("WeightBits", "4"), ("QuantizationGranularity", "Block"), ("QuantizationAlgorithm", "Gptq")]),
        ("Codebook 5", false, [("WeightBits", "5"), ("QuantizationScheme", "Codebook")]),
        ("Codebook 4", false, [("WeightBits", "4"), ("QuantizationScheme", "Codebook")]),
        ("Codebook 3", false, [("WeightBits", "3"), ("QuantizationScheme", "Codebook")]),
        ("Dynamic", false, [("Quantization", "Dynamic")]),
        ("Dynamic, X64Vnni", false, [("Quantization", "Dynamic"), ("TargetCpu", "X64Vnni")]),
        ("Static", true, [("Quantization", "Static")]),
        ("Static, X64Vnni", true, [("Quantization", "Static"), ("TargetCpu", "X64Vnni")]),
        ("Smallest", false, [("Preset", "Smallest")]),
        ("Smallest, calibrated", true, [("Preset", "Smallest")]),
        ("Fastest", false, [("Preset", "Fastest")]),
        ("Fastest, calibrated", true, [("Preset", "Fastest")]),
    ];

    /// <summary>Arguments: MODEL [--calibration DATA] [--validation DATA] [--only NAME;NAME] [--against NAME='COMMAND with {in} and {out}']…</summary>
    public static int Run(string[] args)
    {
        string model = Path.GetFullPath(args[0]);
        string calibration = "", validation = "";
        string[] only = [];
        var others = new List<(string Name, string Command)>();
        for (int i = 1; i + 1 < args.Length; i += 2)
        {
            switch (args[i])
            {
                case "--calibration": calibration = Path.GetFullPath(args[i + 1]); break;
                case "--validation": validation = Path.GetFullPath(args[i + 1]); break;
                case "--only": only = args[i + 1].Split(';'); break;
                default: others.Add((args[i + 1].Split('=')[0], args[i + 1][(args[i + 1].IndexOf('=', StringComparison.Ordinal) + 1)..])); break;
            }
        }

        string folder = Directory.CreateTempSubdirectory("schemes-").FullName;
        try
        {
            Console.WriteLine($"| {Path.GetFileName(model)} | bytes | ratio | SQNR dB | same top class | metric | latency ratio |");
            Console.WriteLine("|---|---|---|---|---|---|---|");
            foreach (var (name, needsCalibration, settings) in Schemes)
            {
                if ((needsCalibration && calibration.Length == 0) || (only.Length > 0 && !only.Contains(name))) continue;
                var all = settings.Append(("CalibrationData", needsCalibration ? calibration : "")).Append(("ValidationData", validation));
                Compress(name, model, Path.Combine(folder, "result.onnx"), all.ToDictionary(s => s.Item1, s => s.Item2));
            }

            foreach (var (name, command) in others) Against(name, command, model, Path.Combine(folder, "other.onnx"), validation);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        return 0;
    }

    private static void Compress(string name, string model, string output, Dictionary<string, string> settings)
    {
        var (report, errorCodes) = SettingsRun.Compress(model, output, settings, measuresLatency: true);
        if (report is not null) Print(name, report.Original, report.Compressed, report.Fidelity, report.Validation, report.Latency);
        else Console.WriteLine($"| {name} | {errorCodes} | | | | | |");
    }

    private static void Against(string name, string command, string model, string output, string validation)
    {
        string line = command.Replace("{in}", $"'{model}'", StringComparison.Ordinal).Replace("{out}", $"'{output}'", StringComparison.Ordinal);
        using var process = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", line]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        process.ErrorDataReceived += (_, _) => { };
        process.BeginErrorReadLine();
        process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode != 0 || !File.Exists(output))
        {
            Console.WriteLine($"| {name} | fails | | | | | |");
            return;
        }

        try
        {
            var comparison = new ModelComparer { OriginalPath = model, CompressedPath = output, Data = validation.Length > 0 ? [validation] : [], Latency = true, Threads = Environment.ProcessorCount }.Run();
            Print(name, comparison.Original, comparison.Compressed, comparison.Fidelity, comparison.Validation, comparison.Latency);
        }
        catch (DiagnosticException e)
        {
            Console.WriteLine($"| {name} | {e.Diagnostic.Code} | | | | | |");
        }

        File.Delete(output);
    }

    private static void Print(string name, ModelFigures original, ModelFigures compressed, FidelityFigures? fidelity, ValidationFigures? validation, LatencyFigures? latency)
    {
        string metric = validation is { } v ? $"{v.Metric} {Number(v.Original, "0.0000")} → {Number(v.Compressed, "0.0000")}" : "";
        Console.WriteLine($"| {name} | {compressed.Bytes.ToString(Invariant)} | {Number((double)compressed.Bytes / original.Bytes, "0.0000")} | {Number(fidelity?.SqnrDb, "0.0")} | {Number(fidelity?.TopOneAgreement, "0.000")} | {metric} | {Number(latency?.Ratio, "0.00")} |");
    }

    private static string Number(double? value, string format) => value?.ToString(format, Invariant) ?? "";
}
