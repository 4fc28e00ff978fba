using System.Diagnostics;
using System.Globalization;
using ModelCompression.Analysis;
using ModelCompression.Data;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Options;
using ModelCompression.Passes;
using ModelCompression.Passes.Conversion;
using ModelCompression.Passes.Quantization.Static;
using ModelCompression.Passes.Simplification;
using ModelCompression.Runtime;
using ModelCompression.Runtime.Calibration;

namespace ModelCompression.Benchmarks;

/// <summary>CPU time per sample of collecting the ranges that static quantization asks for, against running the model on the same samples as an application would; one thread each.</summary>
internal static class CalibrationCost
{
    private const int Rounds = 5;

    /// <summary>Arguments: MODEL DATA [SAMPLES [METHOD…]].</summary>
    public static int Run(string[] args)
    {
        string path = Path.GetFullPath(args[0]);
        using var model = OnnxReader.Read(path);
        using var data = DataSet.Open([Path.GetFullPath(args[1])], ModelInterface.Of(model));
        int count = Math.Min(data.Count, args.Length > 2 ? int.Parse(args[2], CultureInfo.InvariantCulture) : data.Count);
        new SimplificationPipeline(new OrtConstantEvaluator()).Run(model, new CompressionSettings(new()), new PassLog());
        new RaiseOpset().Run(model, new CompressionSettings(new() { Quantization = QuantizationMode.Static }), new PassLog());

        var kinds = new List<(string Name, Action<int> Run)> { ("bare runs", n => RunAll(path, data, n)) };
        foreach (var method in args.Length > 3 ? [.. args[3..].Select(Enum.Parse<CalibrationMethod>)] : Enum.GetValues<CalibrationMethod>())
        {
            kinds.Add(($"{method}", n => Collect(model, data, method, n, perChannel: false)));
            kinds.Add(($"{method} and channels", n => Collect(model, data, method, n, perChannel: true)));
        }

        double[] one = [.. kinds.Select(_ => double.MaxValue)], all = [.. one];
        for (int round = 0; round < Rounds; round++)
        {
            for (int i = 0; i < kinds.Count; i++)
            {
                one[i] = Math.Min(one[i], Cpu(() => kinds[i].Run(1)));
                all[i] = Math.Min(all[i], Cpu(() => kinds[i].Run(count)));
            }
        }

        for (int i = 0; i < kinds.Count; i++)
        {
            double each = (all[i] - one[i]) / (count - 1), bare = (all[0] - one[0]) / (count - 1);
            Print($"{kinds[i].Name,-24} {all[i]:0} ms for opening and {count} samples, {all[i] / all[0]:0.00} times the bare runs; each further sample {each:0.000} ms, {each / bare:0.00} times");
        }

        return 0;
    }

    private static void RunAll(string path, DataSet data, int count)
    {
        using var session = ModelSession.Open(path, SessionSettings.Default, ModelRole.Original);
        for (int i = 0; i < count; i++)
        {
            using var feed = session.Prepare(data.Read(i).Inputs);
            feed.Run();
        }
    }

    private static void Collect(Model model, DataSet data, CalibrationMethod method, int count, bool perChannel)
    {
        var options = new CompressionOptions { Quantization = QuantizationMode.Static, CalibrationMethod = method };
        var nodes = new NodeSelector(model, WeightCatalog.Of(model), new CompressionSettings(options)).Select();
        ActivationRanges.Collect(model, StaticPlan.Of(nodes), options, new Calibrator(new DataSetSamples(data, SampleOrigin.Calibration), count, 1), perChannel, null);
    }

    private static double Cpu(Action run)
    {
        using var process = Process.GetCurrentProcess();
        double before = process.TotalProcessorTime.TotalMilliseconds;
        run();
        process.Refresh();
        return process.TotalProcessorTime.TotalMilliseconds - before;
    }

    private static void Print(FormattableString text) => Console.WriteLine(text.ToString(CultureInfo.InvariantCulture));
}
