using ModelCompression.Testing;

namespace ModelCompression.Tests;

/// <summary>The Python scripts of the samples and the benchmarks, on a machine that lacks what they need.</summary>
[TestClass]
public sealed class ScriptsTests
{
    [TestMethod]
    [DataRow("samples/TrainingLoop/prepare.py")]
    [DataRow("samples/FashionClassifier/training/train.py")]
    [DataRow("tests/ModelCompression.Benchmarks/real_inputs.py")]
    [DataRow("tests/ModelCompression.Benchmarks/scheme_inputs.py")]
    [DataRow("tests/ModelCompression.Benchmarks/depthwise_network.py")]
    [DataRow("tests/ModelCompression.Benchmarks/gradient_networks.py")]
    [DataRow("tests/ModelCompression.Tests/Gradients/Reference/make_reference.py")]
    public void MissingPackages_AreNamedInOneLine(string script)
    {
        // -S: nothing but Python's own library is found.
        var result = ExternalCommand.Run(DebianProgram.Path("python3", "python3-minimal"), ["-S", "-E", RepositoryPaths.Combine(script)], RepositoryPaths.Root);

        Assert.AreEqual(1, result.ExitCode, result.Output);
        string line = result.Output.Trim();
        Assert.DoesNotContain('\n', line);
        Assert.StartsWith($"{Path.GetFileName(script)} needs numpy: install ", line);
    }
}
