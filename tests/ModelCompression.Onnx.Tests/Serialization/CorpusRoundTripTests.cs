using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;

namespace ModelCompression.Onnx.Tests.Serialization;

[TestClass]
public class CorpusRoundTripTests
{
    [TestMethod]
    public void EveryModelOfTheCorpus_IsEqualAfterARoundTrip()
    {
        if (ModelCorpus.Files.Count == 0) Assert.Inconclusive("No corpus on this machine: set MODELCOMPRESSION_MODELS.");
        var failures = new List<string>();
        foreach (string path in ModelCorpus.Files)
        {
            try
            {
                failures.AddRange(RoundTrip(path).Take(3).Select(d => $"{Path.GetRelativePath(Path.GetDirectoryName(Path.GetDirectoryName(path)!)!, path)}: {d}"));
            }
            catch (Exception error)
            {
                failures.Add($"{path}: {error.GetType().Name} {error.Message}");
            }
        }

        Console.WriteLine($"{ModelCorpus.Files.Count} models");
        Assert.IsEmpty(failures, $"{failures.Count} of {ModelCorpus.Files.Count}:\n" + string.Join('\n', failures.Take(40)));
    }

    private static IEnumerable<string> RoundTrip(string path)
    {
        byte[] original = File.ReadAllBytes(path);
        using var model = OnnxReader.Read(path);
        byte[] first = OnnxWriter.ToBytes(model);
        using var again = OnnxReader.Read(first);
        byte[] second = OnnxWriter.ToBytes(again);
        var differences = MessageComparer.Compare(original, first);
        if (!first.AsSpan().SequenceEqual(second)) differences.Add("the second write differs from the first");
        differences.AddRange(GraphVerifier.Verify(model));
        differences.AddRange(model.Notes.Select(n => n.Message));
        return differences;
    }
}
