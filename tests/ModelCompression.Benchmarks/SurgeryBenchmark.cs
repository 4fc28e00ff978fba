using System.Diagnostics;
using System.Globalization;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Options;
using ModelCompression.Passes;
using ModelCompression.Passes.Pruning.Channels;
using ModelCompression.Testing;

namespace ModelCompression.Benchmarks;

/// <summary>
/// Time of reading a model, removing half of its channels by magnitude and writing the rest, until the files stand, against that of copying its files, in turns. The digest that runs of
/// the tool wait for later, and a copy does not have, is told apart.
/// </summary>
internal static class SurgeryBenchmark
{
    private const int Rounds = 5;

    public static int Run(string[] arguments)
    {
        using var folder = new TemporaryFolder();
        string path = arguments is [var given, ..] ? given : EncoderModel.Write(folder.Combine("encoder.onnx"));
        List<string> files;
        using (var model = OnnxReader.Read(path)) files = [path, .. model.ExternalDataFiles];
        var options = new CompressionOptions { Pruning = PruningCriterion.Magnitude, PruningPattern = new(PruningPatternKind.Channel), Sparsity = 0.5 };
        var (copy, read, cut, write, digest) = (new double[Rounds], new double[Rounds], new double[Rounds], new double[Rounds], new double[Rounds]);
        for (int round = 0; round < Rounds; round++)
        {
            copy[round] = Time(() =>
            {
                Directory.CreateDirectory(folder.Combine("copy"));
                foreach (string file in files) File.Copy(file, folder.Combine("copy", Path.GetFileName(file)));
            });
            Directory.Delete(folder.Combine("copy"), recursive: true);
            var watch = Stopwatch.StartNew();
            using var model = OnnxReader.Read(path);
            read[round] = watch.Elapsed.TotalMilliseconds;
            cut[round] = Time(() => new RemoveChannels([new MagnitudeChannelScorer()]).Run(model, new CompressionSettings(options), new PassLog()));
            watch.Restart();
            using (var written = OnnxWriter.WriteAhead(model, folder.Combine("out", "written.onnx")))
            {
                write[round] = watch.Elapsed.TotalMilliseconds;
                digest[round] = Time(() => _ = written.Sha256);
            }

            Directory.Delete(folder.Combine("out"), recursive: true);
        }

        double total = Median([.. read.Zip(cut, write).Select(t => t.First + t.Second + t.Third)]);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"median of {Rounds}: copy {Median(copy):F0} ms, read {Median(read):F0} ms, remove {Median(cut):F0} ms (first {cut[0]:F0}), write {Median(write):F0} ms; all three / copy = {total / Median(copy):F2}; then the digest {Median(digest):F0} ms"));
        return 0;
    }

    private static double Time(Action action)
    {
        var watch = Stopwatch.StartNew();
        action();
        return watch.Elapsed.TotalMilliseconds;
    }

    private static double Median(double[] values) => values.Order().ElementAt(values.Length / 2);
}
