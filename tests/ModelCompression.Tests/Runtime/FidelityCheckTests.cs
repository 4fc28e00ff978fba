using ModelCompression.Data;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Runtime;
using ModelCompression.Runtime.Fidelity;
using ModelCompression.Testing;

namespace ModelCompression.Tests.Runtime;

[TestClass]
public sealed class FidelityCheckTests
{
    private static readonly float[] Weights = [1, 2, 3, 4, 5, 7];

    [TestMethod]
    public void Compare_SameModel_IsPerfect()
    {
        var result = Compare(SmallModel.Linear(3, 2, Weights), SmallModel.Linear(3, 2, Weights));
        Assert.IsTrue(result.Passed);
        Assert.AreEqual(4, result.Samples);
        Assert.AreEqual(double.PositiveInfinity, result.SqnrDb);
        Assert.AreEqual(1, result.Cosine!.Value, 1e-12);
        Assert.AreEqual(0, result.MaxAbsoluteDifference);
        Assert.AreEqual(1, result.TopOneAgreement);
        Assert.AreEqual(SampleOrigin.Synthetic, result.Inputs);
    }

    [TestMethod]
    public void Compare_ScaledWeights_HasTheSqnrOfTheScale()
    {
        // y' = 0.9 y, so ‖y‖/‖y−y'‖ = 10, which is 20 dB; the direction is the same.
        var result = Compare(SmallModel.Linear(3, 2, Weights), SmallModel.Linear(3, 2, [.. Weights.Select(w => w * 0.9f)]));
        Assert.IsTrue(result.Passed);
        Assert.AreEqual(20, result.SqnrDb!.Value, 1e-4);
        Assert.AreEqual(1, result.Cosine!.Value, 1e-9);
        Assert.AreEqual(1, result.TopOneAgreement);
    }

    [TestMethod]
    public void Compare_NegatedWeights_DisagreesEverywhere()
    {
        var result = Compare(SmallModel.Linear(3, 2, Weights), SmallModel.Linear(3, 2, [.. Weights.Select(w => -w)]));
        Assert.AreEqual(20 * Math.Log10(0.5), result.SqnrDb!.Value, 1e-6);
        Assert.AreEqual(-1, result.Cosine!.Value, 1e-9);
        Assert.AreEqual(0, result.TopOneAgreement);
    }

    [TestMethod]
    public void Compare_SaturatedOutputs_AreSaidToShowNothing()
    {
        Assert.IsFalse(Compare(SmallModel.Rectified(9), SmallModel.Rectified(12)).OutputsVary);
        Assert.IsTrue(Compare(SmallModel.Linear(3, 2, Weights), SmallModel.Linear(3, 2, Weights)).OutputsVary);
    }

    [TestMethod]
    public void Compare_DetectorThatSeesNothingIn0To1_IsShownNormalizedPictures()
    {
        var result = Compare(SmallModel.Rectified(0.5f), SmallModel.Rectified(0.6f));
        Assert.IsTrue(result.OutputsVary);
        Assert.IsLessThan(40, result.SqnrDb!.Value);
    }

    [TestMethod]
    public void Compare_NaNWhereTheOriginalHasNone_IsAnError()
    {
        var result = Compare(SmallModel.Linear(3, 2, Weights), SmallModel.Linear(3, 2, 1, 2, 3, float.NaN, 5, 7));
        Assert.AreEqual("MCB4042", result.Errors.Single().Code);
        StringAssert.Contains(result.Errors[0].Message, "'scores'");
        Assert.IsTrue(Compare(SmallModel.Linear(3, 2, 1, 2, 3, float.NaN, 5, 7), SmallModel.Linear(3, 2, Weights)).Passed, "NaN in the original is not held against the compressed model");
    }

    [TestMethod]
    public void Compare_OtherInterface_IsAnError()
    {
        var renamed = SmallModel.Linear(3, 2, Weights);
        var twice = renamed.Node("Identity", "other", renamed.Graph.Outputs[0]);
        renamed.Output(twice, DataType.Float, Dimension.OfSymbol("N"), 2);
        var error = Compare(SmallModel.Linear(3, 2, Weights), renamed).Errors.Single();
        Assert.AreEqual("MCB4044", error.Code);
        StringAssert.Contains(error.Message, "output 1");
        Assert.AreEqual("MCB4044", Compare(SmallModel.Linear(3, 2, Weights), SmallModel.Linear(3, 3, [.. Weights, 1, 2, 3])).Errors.Single().Code);
    }

    [TestMethod]
    public void Compare_ModelThatDoesNotOpen_IsAnError()
    {
        using var folder = new TemporaryFolder();
        string good = SmallModel.Linear(3, 2, Weights).Save(folder, "a.onnx"), bad = folder.Write("b.onnx", "no model");
        using var model = SmallModel.Linear(3, 2, Weights);
        var error = FidelityCheck.Start(good, model, SyntheticInputs.For(model)).Compare(bad).Errors.Single();
        Assert.AreEqual("MCB4040", error.Code);
        Assert.IsFalse(error.Message.Contains('\n', StringComparison.Ordinal));
    }

    [TestMethod]
    public void Original_ThatDoesNotOpen_IsRefused()
    {
        using var folder = new TemporaryFolder();
        using var model = SmallModel.Empty();
        model.Output(model.Graph.AddNode("NoSuchOperator", [model.Input("x", DataType.Float, 1)], ["y"]).Outputs[0]!, DataType.Float, 1);
        var run = FidelityCheck.Start(model.Save(folder, "m.onnx"), model, SyntheticInputs.For(model)).Original;
        Assert.AreEqual(OriginalStatus.Refused, run.Status);
        Assert.AreEqual("MCB2040", run.Problem!.Code);
        StringAssert.Contains(run.Problem.Message, "NoSuchOperator");
        Assert.IsFalse(run.Problem.Message.Contains(folder.Path, StringComparison.Ordinal), run.Problem.Message);
    }

    [TestMethod]
    public void Original_ThatNeverRuns_IsCheckedForLoadingOnly()
    {
        using var folder = new TemporaryFolder();
        using var model = SmallModel.Empty();
        var reshaped = model.Node("Reshape", "r", model.Input("x", DataType.Float, 7, 11), model.Input("sizes", DataType.Int64, 3)); // nobody guesses sizes whose product is 77
        model.Output(reshaped, DataType.Float, Dimension.Unknown, Dimension.Unknown, Dimension.Unknown);
        string path = model.Save(folder, "m.onnx");
        var check = FidelityCheck.Start(path, model, SyntheticInputs.For(model));
        Assert.AreEqual(OriginalStatus.OnlyLoads, check.Original.Status);
        var result = check.Compare(path);
        Assert.IsTrue(result.Passed);
        Assert.AreEqual(0, result.Samples);
        StringAssert.Contains(result.Reason, "only loading was checked");
    }

    [TestMethod]
    public void Original_ThatDoesNotRunOnGivenData_IsTheDatasFault()
    {
        using var folder = new TemporaryFolder();
        using var model = SmallModel.Empty();
        var table = model.Weight("table", Tensor.Float([2, 1], 1, 2));
        model.Output(model.Node("Gather", "y", table, model.Input("ids", DataType.Int64, Dimension.OfSymbol("N"))), DataType.Float, Dimension.OfSymbol("N"), 1);
        string path = model.Save(folder, "m.onnx");
        string npz = Data.ArrayFile.Npz(folder.Combine("d.npz"), ("ids", Data.ArrayFile.Longs("1,", 9)));
        using var data = DataSet.Open([npz], ModelInterface.Of(model));
        var run = FidelityCheck.Start(path, model, new DataSetSamples(data, SampleOrigin.Validation)).Original;
        Assert.AreEqual(OriginalStatus.FailsOnData, run.Status);
        Assert.AreEqual("MCB2041", run.Problem!.Code);
    }

    [TestMethod]
    public void Compare_RandomOperator_IsRunButNotCompared()
    {
        using var folder = new TemporaryFolder();
        using var model = SmallModel.Empty();
        model.Output(model.Node("RandomNormalLike", "y", model.Input("x", DataType.Float, 4)), DataType.Float, 4);
        string path = model.Save(folder, "m.onnx");
        var result = FidelityCheck.Start(path, model, SyntheticInputs.For(model)).Compare(path);
        Assert.IsTrue(result.Passed);
        Assert.IsNull(result.SqnrDb);
        StringAssert.Contains(result.Reason, "RandomNormalLike");
    }

    [TestMethod]
    public void Compare_SizesThatDependOnValues_AreNoted()
    {
        static Model Positive(float bias)
        {
            var model = SmallModel.Empty();
            var sum = model.Node("Add", "s", model.Input("x", DataType.Float, 64), model.Weight("b", Tensor.Float([1], bias)));
            var positive = model.Node("Greater", "p", sum, model.Weight("zero", Tensor.Float([1], 0f)));
            model.Output(model.Node("Compress", "y", sum, positive), DataType.Float, Dimension.Unknown);
            return model;
        }

        var result = Compare(Positive(0), Positive(0.5f));
        Assert.IsTrue(result.Passed);
        StringAssert.Contains(result.Outputs.Single().Note, "different size");
    }

    [TestMethod]
    public void Compare_IsTheSameTwice()
    {
        var a = Compare(SmallModel.Linear(3, 2, Weights), SmallModel.Linear(3, 2, 1, 2, 3.25f, 4, 5, 7));
        var b = Compare(SmallModel.Linear(3, 2, Weights), SmallModel.Linear(3, 2, 1, 2, 3.25f, 4, 5, 7));
        Assert.AreEqual(a.SqnrDb, b.SqnrDb);
        Assert.AreEqual(a.Cosine, b.Cosine);
    }

    private static FidelityResult Compare(Model original, Model compressed)
    {
        using var folder = new TemporaryFolder();
        using (original)
        using (compressed)
            return FidelityCheck.Start(original.Save(folder, "a.onnx"), original, SyntheticInputs.For(original)).Compare(compressed.Save(folder, "b.onnx"));
    }
}
