using System.Diagnostics;
using System.Globalization;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Testing;

namespace ModelCompression.Benchmarks;

/// <summary>
/// Time of reading and writing a model against that of copying its files to the same disk, in turns, and the peak memory of all.
/// </summary>
internal static class ReadWriteBenchmark
{
    private const int Rounds = 5;

    public static int Run(string[] arguments)
    {
        using var folder = new TemporaryFolder();
        string path = arguments is [var given, ..] ? given : EncoderModel.Write(folder.Combine("encoder.onnx"));
        long managed;
        List<string> files;
        using (var model = OnnxReader.Read(path))
        {
            managed = GC.GetTotalMemory(forceFullCollection: true);
            files = [path, .. model.ExternalDataFiles];
        }

        var copy = new double[Rounds];
        var read = new double[Rounds];
        var write = new double[Rounds];
        for (int round = 0; round < Rounds; round++)
        {
            copy[round] = Time(() => Copy(files, folder.Combine("copy")));
            Directory.Delete(folder.Combine("copy"), recursive: true);
            using var model = Timed(() => OnnxReader.Read(path), out read[round]);
            write[round] = Time(() => OnnxWriter.Write(model, folder.Combine("out", "written.onnx")));
            Directory.Delete(folder.Combine("out"), recursive: true);
        }

        long bytes = files.Sum(f => new FileInfo(f).Length);
        using var process = Process.GetCurrentProcess();
        Print($"model {bytes / 1e6:F1} MB in {files.Count} file(s), {managed / 1e6:F1} MB managed after reading, peak working set {process.PeakWorkingSet64 / 1e6:F0} MB");
        Print($"median of {Rounds}: copy {Median(copy):F0} ms, read {Median(read):F1} ms, write {Median(write):F0} ms, (read + write) / copy = {(Median(read) + Median(write)) / Median(copy):F2}");
        return 0;
    }

    private static void Copy(List<string> files, string folder)
    {
        Directory.CreateDirectory(folder);
        foreach (string file in files) File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
    }

    private static double Time(Action action)
    {
        var watch = Stopwatch.StartNew();
        action();
        return watch.Elapsed.TotalMilliseconds;
    }

    private static T Timed<T>(Func<T> action, out double milliseconds)
    {
        var watch = Stopwatch.StartNew();
        var result = action();
        milliseconds = watch.Elapsed.TotalMilliseconds;
        return result;
    }

    private static double Median(double[] values) => values.Order().ElementAt(values.Length / 2);

    private static void Print(FormattableString text) => Console.WriteLine(text.ToString(CultureInfo.InvariantCulture));
}
