using ModelCompression.Analysis;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Tests.Analysis;

[TestClass]
public sealed class ShapeInferenceTests
{
    [TestMethod]
    public void Run_ShapeComputation_FollowsSymbols()
    {
        // [N, S, 768] -> [N, S, 12, 64] as exporters write it: Shape, Gather, Unsqueeze, Concat, Reshape.
        var model = GraphFixture.NewModel();
        var x = model.Input("x", "N", "S", 768);
        var shape = model.Add("Shape", [x]);
        var scalar = model.Graph.AddInitializer("one", Tensor.Int64([], 1));
        var s = model.Add("Unsqueeze", [model.Add("Gather", [shape, scalar]), model.Ints(0)]);
        var target = model.Add("Concat", [model.Ints(0), s, model.Ints(12), model.Ints(64)], NodeAttribute.Of("axis", 0));
        var y = model.Add("Reshape", [x, target]);
        var z = model.Add("Transpose", [y], NodeAttribute.Of("perm", 0L, 2, 1, 3));

        var result = ShapeInference.Run(model);

        Assert.AreEqual("[N,S,12,64]", result.ShapeOf(y)!.ToString());
        Assert.AreEqual("[N,12,S,64]", z.TensorType!.Shape!.ToString());
        Assert.IsEmpty(result.Unresolved);
    }

    [TestMethod]
    public void Run_ReshapeWithMinusOne_DividesFormulas()
    {
        var model = GraphFixture.NewModel();
        var x = model.Input("x", "N", "H", "W", 6);
        var flat = model.Add("Reshape", [x, model.Ints(0, -1, 3)]);
        var all = model.Add("Reshape", [x, model.Ints(-1, 4)]);

        ShapeInference.Run(model);

        Assert.AreEqual("[N,2*H*W,3]", flat.TensorType!.Shape!.ToString());
        // 6·N·H·W/4 has no polynomial quotient, but a formula.
        Assert.AreEqual("[N*H*W+floor((2*N*H*W)/4),4]", all.TensorType!.Shape!.ToString());
    }

    [TestMethod]
    public void Run_StridedConvolutions_NestFormulas()
    {
        var model = GraphFixture.NewModel();
        var x = model.Input("x", "N", 3, "H", 224);
        NodeAttribute[] attributes = [NodeAttribute.Of("strides", 2L, 2), NodeAttribute.Of("pads", 1L, 1, 1, 1)];
        var a = model.Add("Conv", [x, model.Floats("w", 8, 3, 3, 3)], attributes);
        var b = model.Add("Conv", [a, model.Floats("v", 16, 8, 3, 3)], attributes);

        ShapeInference.Run(model);

        Assert.AreEqual("[N,8,floor((H+1)/2),112]", a.TensorType!.Shape!.ToString());
        Assert.AreEqual("[N,16,floor((H+3)/4),56]", b.TensorType!.Shape!.ToString());
    }

    [TestMethod]
    public void Run_BroadcastOfDifferentSymbols_IsNotGuessed()
    {
        var model = GraphFixture.NewModel();
        var sum = model.Add("Add", [model.Input("a", "N", "S"), model.Input("b", "M", 5)]);

        ShapeInference.Run(model);

        var shape = sum.TensorType!.Shape!;
        Assert.AreEqual(5, shape[1].Size);
        Assert.AreNotEqual("N", shape[0].Symbol);
        Assert.AreNotEqual("M", shape[0].Symbol);
    }

    [TestMethod]
    public void Run_Twice_GivesTheSame()
    {
        var model = GraphFixture.NewModel();
        var x = model.Input("x", null, 4);
        var nonZero = model.Add("NonZero", [x]);
        var doubled = model.Add("Concat", [nonZero, nonZero], NodeAttribute.Of("axis", 1));

        ShapeInference.Run(model);
        string first = $"{nonZero.TensorType!.Shape} {doubled.TensorType!.Shape}";
        ShapeInference.Run(model);

        Assert.AreEqual("[2,nonzero_out.1] [2,2*nonzero_out.1]", first);
        Assert.AreEqual(first, $"{nonZero.TensorType!.Shape} {doubled.TensorType!.Shape}");
    }

    [TestMethod]
    public void Run_InterfaceTypes_StayAsDeclared()
    {
        var model = GraphFixture.NewModel();
        var x = model.Input("x", null, 4);
        var y = model.Add("Relu", [x]);
        y.Type = new TensorType(DataType.Float, null);
        model.Graph.AddOutput(y);

        var result = ShapeInference.Run(model);

        Assert.IsNull(y.TensorType!.Shape);
        Assert.AreEqual(Dimension.Unknown, x.TensorType!.Shape![0]);
        Assert.AreEqual("[x.0,4]", result.ShapeOf(y)!.ToString());
    }

    [TestMethod]
    public void Run_WrongDeclaration_IsReportedAndOverruled()
    {
        var model = GraphFixture.NewModel();
        var y = model.Add("Relu", [model.Input("x", 2, 4)]);
        var z = model.Add("Neg", [y]);
        y.Type = new TensorType(DataType.Float, Shape.Of(2, 5));

        var result = ShapeInference.Run(model);

        Assert.AreEqual(y, result.Contradictions.Single().Value);
        Assert.AreEqual("[2,4]", z.TensorType!.Shape!.ToString());
    }

    [TestMethod]
    public void Run_UnknownOperator_GivesReasonAndGoesOn()
    {
        var model = GraphFixture.NewModel();
        var x = model.Input("x", 2, 4);
        model.OpsetImports["acme"] = 1;
        var odd = model.Graph.AddNode("Warp", [x], ["odd"], domain: "acme").Outputs[0]!;
        var y = model.Add("Relu", [x]);

        var result = ShapeInference.Run(model);

        StringAssert.Contains(result.WhyUnresolved(odd), "acme.Warp", StringComparison.Ordinal);
        Assert.AreEqual("[2,4]", y.TensorType!.Shape!.ToString());
    }

    [TestMethod]
    [DataRow(-3L)]
    [DataRow(100L)]
    public void Run_AttributesOutOfRange_RefusesWithReason(long axis)
    {
        var model = GraphFixture.NewModel();
        var x = model.Input("x", 2, 4);
        var y = model.Add("Concat", [x, x], NodeAttribute.Of("axis", axis));

        StringAssert.Contains(ShapeInference.Run(model).WhyUnresolved(y), "axis", StringComparison.Ordinal);
    }

    [TestMethod]
    public void Run_Function_BindsTypesAndAttributesPerCall()
    {
        var body = new OnnxGraph("Double");
        var a = body.AddInput("a", null);
        var reference = NodeAttribute.Reference("axis", AttributeType.Int, "along");
        var twice = body.AddNode("Concat", [a, a], ["twice"], [reference]).Outputs[0]!;
        body.AddOutput(twice);
        var function = new Function("local", "Double", body) { AttributeNames = ["along"] };
        function.OpsetImports[""] = 17;
        var model = GraphFixture.NewModel();
        model.OpsetImports["local"] = 1;
        model.AddFunction(function);
        var x = model.Input("x", "N", 4);
        var rows = model.Graph.AddNode("Double", [x], ["rows"], [NodeAttribute.Of("along", 0)], "local").Outputs[0]!;
        var columns = model.Graph.AddNode("Double", [x], ["columns"], [NodeAttribute.Of("along", 1)], "local").Outputs[0]!;

        ShapeInference.Run(model);

        Assert.AreEqual("[2*N,4]", rows.TensorType!.Shape!.ToString());
        Assert.AreEqual("[N,8]", columns.TensorType!.Shape!.ToString());
        // The two calls disagree about the inside.
        Assert.AreEqual("[?,?]", twice.TensorType!.Shape!.ToString());
    }

    [TestMethod]
    public void Evaluate_GivenSizes_AreNumbersAndLeaveTheModelAlone()
    {
        var model = GraphFixture.NewModel();
        var x = model.Input("x", "N", "S");
        var mask = model.Input("mask", "N", "S");
        var sum = model.Add("Add", [x, mask]);

        var result = ShapeInference.Evaluate(model, new Dictionary<string, Shape> { ["x"] = Shape.Of(2, 7) });

        Assert.AreEqual("[2,7]", result.ShapeOf(sum)!.ToString());
        Assert.AreEqual("[2,7]", result.ShapeOf(mask)!.ToString());
        Assert.IsNull(sum.Type);
    }
}
