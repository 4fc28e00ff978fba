using ModelCompression.Analysis;
using ModelCompression.Data;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Runtime;

namespace ModelCompression.Tests.Analysis;

[TestClass]
public sealed class ObservedTypesTests
{
    [TestMethod]
    public void Complete_RankThatDependsOnData_IsObserved()
    {
        // The rank of y is the length of an input.
        var model = GraphFixture.NewModel();
        var x = model.Input("x", 4);
        var y = model.Add("Reshape", [x, model.Input("shape", DataType.Int64, "rank")]);
        var z = model.Add("Neg", [y]);
        model.Graph.AddOutput(z);
        z.Type = new TensorType(DataType.Float, null);
        var inference = ShapeInference.Run(model);
        Assert.IsNotNull(inference.WhyUnresolved(y));

        var observed = ObservedTypes.Complete(model, inference, new Feed(("x", Tensor.Float([4], 1, 2, 3, 4)), ("shape", Tensor.Int64([3], 2, 1, 2))));

        Assert.AreEqual("[2,1,2]", y.TensorType!.Shape!.ToString());
        Assert.IsNull(z.TensorType!.Shape, "the interface stays");
        Assert.IsEmpty(observed.Missing);
        Assert.HasCount(1, model.Graph.Outputs);
    }

    [TestMethod]
    public void Observe_ModelThatDoesNotOpen_GivesReason()
    {
        var model = GraphFixture.NewModel();
        model.OpsetImports["acme"] = 1;
        var y = model.Graph.AddNode("Warp", [model.Input("x", 4)], ["y"], domain: "acme").Outputs[0]!;
        model.Graph.AddOutput(y);

        var observed = ObservedTypes.Observe(model, [y], SyntheticInputs.For(model));

        Assert.IsEmpty(observed.Types);
        StringAssert.Contains(observed.Missing.Single().Reason, "Warp", StringComparison.Ordinal);
    }

    [TestMethod]
    public void Observe_ValueInABranch_GivesReason()
    {
        var model = GraphFixture.NewModel();
        var x = model.Input("x", 4);
        var branch = new OnnxGraph("then", model.Graph);
        var inside = branch.Add("Neg", [x]);
        branch.AddOutput(inside);
        var other = new OnnxGraph("else", model.Graph);
        other.AddOutput(other.Add("Abs", [x]));
        model.Graph.AddOutput(model.Add("If", [model.Input("c", DataType.Bool)], NodeAttribute.Of("then_branch", branch), NodeAttribute.Of("else_branch", other)));

        var observed = ObservedTypes.Observe(model, [inside], SyntheticInputs.For(model));

        StringAssert.Contains(observed.Missing.Single().Reason, "branch", StringComparison.Ordinal);
    }

    [TestMethod]
    public void Complete_BranchesWhoseRankFollowsFromSizes_AreEvaluated()
    {
        using var model = ModelCompression.Onnx.Serialization.OnnxReader.Read(ModelCompression.Testing.ModelZoo.Path("silero-vad/silero_vad_v5.onnx"));
        var inference = ShapeInference.Run(model);
        Assert.IsGreaterThan(100, inference.Unresolved.Count);

        var observed = ObservedTypes.Complete(model, inference, KnownInputs.TryFor(model)!);

        // What is left lies in the branch for the other sampling rate, which this input does not fit.
        Assert.IsLessThan(20, observed.Missing.Count, string.Join('\n', observed.Missing.Select(m => $"{m.Value}: {m.Reason}")));
    }

    private sealed class Feed(params (string Name, Tensor Tensor)[] inputs) : SampleSource
    {
        public override SampleOrigin Origin => SampleOrigin.Synthetic;

        public override int Count => 1;

        public override Sample Read(int attempt, int index) => new([.. inputs.Select(i => new NamedValue(i.Name, new TensorValue(i.Tensor)))]);
    }
}
