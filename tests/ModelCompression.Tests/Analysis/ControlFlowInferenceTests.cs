using ModelCompression.Analysis;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Tests.Analysis;

[TestClass]
public sealed class ControlFlowInferenceTests
{
    [TestMethod]
    public void If_BranchesThatDiffer_AgreeOnWhatTheyCan()
    {
        var model = GraphFixture.NewModel();
        var x = model.Input("x", "N", 4);
        var condition = model.Input("c", DataType.Bool);
        var y = AddIf(model, condition, (g, _) => g.Add("Identity", [x]), (g, _) => g.Add("Concat", [x, x], NodeAttribute.Of("axis", 0)));

        ShapeInference.Run(model);

        Assert.AreEqual("[if_out.0,4]", y.TensorType!.Shape!.ToString());
    }

    [TestMethod]
    public void If_ConditionFollowsFromShapes_TakesItsBranch()
    {
        // What PyTorch writes for squeeze(0): the rank depends on a size that is known here.
        var model = GraphFixture.NewModel();
        var x = model.Input("x", 1, "S");
        var size = model.Add("Gather", [model.Add("Shape", [x]), model.Graph.AddInitializer("zero", Tensor.Int64([], 0))]);
        var condition = model.Add("Equal", [size, model.Graph.AddInitializer("one", Tensor.Int64([], 1))]);
        var axes = model.Ints(0);
        var y = AddIf(model, condition, (g, _) => g.Add("Squeeze", [x, axes]), (g, _) => g.Add("Identity", [x]));

        ShapeInference.Run(model);

        Assert.AreEqual("[S]", y.TensorType!.Shape!.ToString());
    }

    [TestMethod]
    public void If_SameSymbolNameInBothBranches_IsNotOneSize()
    {
        // Sibling branches may use the same value name; their data-dependent sizes are not the same.
        var model = GraphFixture.NewModel();
        var x = model.Input("x", 3, 4);
        var condition = model.Input("c", DataType.Bool);
        var y = AddIf(
            model, condition,
            (g, _) => g.AddNode("NonZero", [x], ["same"]).Outputs[0]!,
            (g, _) => Named(g, "NonZero", g.AddNode("Neg", [x], ["other"]).Outputs[0]!));

        ShapeInference.Run(model);

        Assert.AreEqual("[2,if_out.1]", y.TensorType!.Shape!.ToString());

        static Value Named(OnnxGraph graph, string opType, Value input) => graph.AddNode(opType, [input], ["same"]).Outputs[0]!;
    }

    [TestMethod]
    public void Loop_GrowingState_HasItsOwnSymbol_StackedOutputsCountRounds()
    {
        var model = GraphFixture.NewModel();
        var state = model.Input("state", 2, 4);
        var body = new OnnxGraph("body", model.Graph);
        body.AddInput("i", null);
        var keep = body.AddInput("keep", null);
        var carried = body.AddInput("carried", null);
        var grown = body.Add("Concat", [carried, carried], NodeAttribute.Of("axis", 0));
        var part = body.Add("Neg", [state]);
        body.AddOutput(keep);
        body.AddOutput(grown);
        body.AddOutput(part);
        var trips = model.Graph.AddInitializer("trips", Tensor.Int64([], 5));
        var loop = model.Graph.AddNode("Loop", [trips, null, state], ["last", "stacked"], [NodeAttribute.Of("body", body)]);

        ShapeInference.Run(model);

        Assert.AreEqual("[last.0,4]", loop.Outputs[0]!.TensorType!.Shape!.ToString());
        Assert.AreEqual("[5,2,4]", loop.Outputs[1]!.TensorType!.Shape!.ToString());
        Assert.AreEqual("[2*carried.0,4]", grown.TensorType!.Shape!.ToString());
    }

    [TestMethod]
    public void Scan_SlicesItsInputsAndStacksItsOutputs()
    {
        var model = GraphFixture.NewModel();
        var sequence = model.Input("sequence", "T", 8);
        var initial = model.Input("initial", 8);
        var body = new OnnxGraph("body", model.Graph);
        var before = body.AddInput("before", null);
        var element = body.AddInput("element", null);
        var after = body.Add("Add", [before, element]);
        body.AddOutput(after);
        body.AddOutput(after);
        var scan = model.Graph.AddNode("Scan", [initial, sequence], ["final", "all"], [NodeAttribute.Of("body", body), NodeAttribute.Of("num_scan_inputs", 1)]);

        ShapeInference.Run(model);

        Assert.AreEqual("[8]", scan.Outputs[0]!.TensorType!.Shape!.ToString());
        Assert.AreEqual("[T,8]", scan.Outputs[1]!.TensorType!.Shape!.ToString());
    }

    private static Value AddIf(Model model, Value condition, Func<OnnxGraph, Model, Value> thenBranch, Func<OnnxGraph, Model, Value> elseBranch)
    {
        var first = new OnnxGraph("then", model.Graph);
        first.AddOutput(thenBranch(first, model));
        var second = new OnnxGraph("else", model.Graph);
        second.AddOutput(elseBranch(second, model));
        return model.Add("If", [condition], NodeAttribute.Of("then_branch", first), NodeAttribute.Of("else_branch", second));
    }
}
