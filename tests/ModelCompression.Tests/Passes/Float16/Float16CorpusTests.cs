using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Options;
using ModelCompression.Passes;
using ModelCompression.Passes.Float16;
using ModelCompression.Runtime;
using ModelCompression.Testing;
using ModelCompression.Tests.Passes.Simplification;

namespace ModelCompression.Tests.Passes.Float16;

/// <summary>Both forms on published models: they keep their interface, load and run.</summary>
[TestClass]
public sealed class Float16CorpusTests
{
    /// <summary>Of the conformance models at least this many must have been compared; the rest do not run or return random values.</summary>
    private const int MinComparable = 900;

    public required TestContext TestContext { get; init; }

    [TestMethod]
    [DataRow(QuantizationFormat.Folded)]
    [DataRow(QuantizationFormat.QOperator)]
    public void ConformanceModels_LoadAndRun(QuantizationFormat format)
    {
        var failures = new List<string>();
        int run = 0;
        foreach (string path in Directory.EnumerateFiles(ModelZoo.OnnxTestData(), "model.onnx", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            using var model = OnnxReader.Read(path);
            byte[] before = OnnxWriter.ToBytes(model);
            var inputs = SyntheticInputs.For(model, seed: 1);
            using var original = TryOpen(before);
            if (original is null || Equivalence.RunFirstThatWorks(original, inputs, out var sample) is not { } expected) continue;
            if (Equivalence.Difference(expected, original.Run(sample.Inputs), _ => 0) is not null) continue;
            run++;
            var log = new PassLog();
            new ConvertToFloat16().Run(model, new CompressionSettings(new CompressionOptions { Quantization = QuantizationMode.Float16, QuantizationFormat = format }), log);
            try
            {
                using var changed = ModelSession.Open(OnnxWriter.ToBytes(model), path, SessionSettings.Default, ModelRole.Compressed);
                Equivalence.AssertSameInterface(original, changed);
                if (Equivalence.Difference(expected, changed.Run(sample.Inputs), Tolerance) is { } difference)
                    failures.Add($"{path}: {difference}");
            }
            catch (Exception e) when (e is DiagnosticException or AssertFailedException)
            {
                failures.Add($"{path}: {e.Message}");
            }
        }

        TestContext.WriteLine($"{run} models compared");
        Assert.IsEmpty(failures, string.Join('\n', failures.Take(20)));
        Assert.IsGreaterThan(MinComparable, run);
    }

    /// <summary>A handful of steps, each off by 2⁻¹¹ of numbers about as large as the output, and at least of order 1 as most constants are.</summary>
    private static double Tolerance(double[] expected) => 8 * Math.Pow(2, -11) * Math.Max(1, expected.Where(double.IsFinite).Select(Math.Abs).DefaultIfEmpty(0).Max());

    private static ModelSession? TryOpen(byte[] model)
    {
        try
        {
            return Equivalence.Open(model);
        }
        catch (DiagnosticException)
        {
            return null;
        }
    }
}
