using ModelCompression.Data;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Runtime;
using ModelCompression.Runtime.Fidelity;
using ModelCompression.Testing;

namespace ModelCompression.Tests.Runtime;

[TestClass]
public sealed class LentWeightsTests
{
    [TestMethod]
    public void Open_WithLentWeights_RunsLikeTheFile_AndHidesThem()
    {
        using var folder = new TemporaryFolder();
        using var model = SmallModel.Linear(512, 600, [.. Enumerable.Range(0, 512 * 600).Select(i => (float)Math.Sin(i))]);
        string path = model.Save(folder, "m.onnx");
        using var read = OnnxReader.Read(path);
        var weights = LentWeights.Of(read);
        Assert.IsNotNull(weights);
        using var lent = ModelSession.Open(path, SessionSettings.Lean, ModelRole.Original, weights);
        using var plain = ModelSession.Open(path, SessionSettings.Lean, ModelRole.Original);
        CollectionAssert.AreEqual(new[] { "x" }, lent.Interface.Inputs.Select(i => i.Name).ToArray());
        var sample = SyntheticInputs.For(read).Read(0, 0);
        var distance = new OutputDistance();
        distance.Add(Output(plain.Run(sample.Inputs)), Output(lent.Run(sample.Inputs)));
        Assert.AreEqual(0, distance.MaxAbsoluteDifference);
        Assert.AreEqual(600, distance.ElementCount);
    }

    [TestMethod]
    public void Of_SmallModel_LendsNothing()
    {
        using var model = SmallModel.Linear(3, 2, 1, 2, 3, 4, 5, 6);
        Assert.IsNull(LentWeights.Of(model));
    }

    /// <summary>The published models give the same with their weights lent as with their weights inside: no kernel minds.</summary>
    [TestMethod]
    public void PublishedModels_GiveTheSame()
    {
        int compared = 0;
        foreach (string path in ModelZoo.Models())
        {
            using var model = OnnxReader.Read(path);
            if (LentWeights.Of(model) is not { } weights) continue;
            var samples = SyntheticInputs.For(model);
            var plain = OriginalRunner.Run(path, samples, 1, SessionSettings.Lean, null, default);
            var lent = OriginalRunner.Run(path, samples, 1, SessionSettings.Lean, weights, default);
            Assert.AreEqual(OriginalStatus.Ran, lent.Status, path);
            Assert.AreEqual(plain.Attempt, lent.Attempt, path);
            var comparison = new OutputComparison();
            comparison.Add(0, plain.Outputs[0], lent.Outputs[0]);
            var result = comparison.Summarize(SampleOrigin.Synthetic, 1, null);
            Assert.IsGreaterThan(90, result.SqnrDb ?? 0, path); // the same kernels in the same order; blocking may differ by a rounding
            compared++;
        }

        Assert.IsGreaterThanOrEqualTo(5, compared);
    }

    private static Tensor Output(IReadOnlyList<NamedValue> outputs) => ((TensorValue)outputs.Single().Value).Tensor;
}
