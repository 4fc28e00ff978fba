using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Passes.Simplification;

namespace ModelCompression.Tests.Passes.Simplification;

[TestClass]
public sealed class FoldIntoNextConvolutionTests
{
    /// <summary>At most 36 products per output, inputs and weights below 2 in magnitude: (36 + 3)·2⁻²⁴·36·4.</summary>
    private const double Tolerance = 4e-4;

    [TestMethod]
    [DataRow(1, false), DataRow(2, false), DataRow(1, true), DataRow(2, true)]
    public void FactorAndSummand_BeforeUnpaddedConvolution_Disappear(int group, bool perChannel)
    {
        var test = new TestModel();
        var x = test.Input("x", 2, 4, 5, 6);
        long[] dims = perChannel ? [4, 1, 1] : [1];
        var scaled = test.Node("Add", [test.Node("Mul", [test.Weight("a", dims), x]), test.Weight("b", dims)]);
        test.Output(test.Node("Conv", [scaled, test.Weight("w", 6, 4 / group, 3, 3), test.Weight("c", 6)], NodeAttribute.Of("group", group)));

        test.RunEquivalently(new FoldIntoNextConvolution(), Tolerance);

        CollectionAssert.AreEqual(new[] { "Conv" }, test.OpTypes());
    }

    [TestMethod]
    public void FactorAndSummand_BeforePadding_BecomeASummand()
    {
        var test = new TestModel();
        var x = test.Input("x", 2, 4, 5, 6);
        var scaled = test.Node("Add", [test.Node("Mul", [x, test.Constant("a", Tensor.Float([1], 1.7f))]), test.Constant("b", Tensor.Float([1], -0.3f))]);
        test.Output(test.Node("Conv", [scaled, test.Weight("w", 4, 1, 3, 3), test.Weight("c", 4)], NodeAttribute.Of("group", 4L), NodeAttribute.Of("pads", 1L, 1L, 1L, 1L)));

        test.RunEquivalently(new FoldIntoNextConvolution(), Tolerance);

        CollectionAssert.AreEqual(new[] { "Add", "Conv" }, test.OpTypes());
    }

    [TestMethod]
    public void TwoConvolutions_BothTakeTheFactor()
    {
        var test = new TestModel();
        var scaled = test.Node("Mul", [test.Input("x", 1, 4, 5, 5), test.Constant("a", Tensor.Float([1], 3f))]);
        test.Output(test.Node("Conv", [scaled, test.Weight("w", 2, 4, 1, 1)]), test.Node("Conv", [scaled, test.Weight("v", 3, 4, 3, 3)]));

        test.RunEquivalently(new FoldIntoNextConvolution(), Tolerance);

        CollectionAssert.AreEqual(new[] { "Conv", "Conv" }, test.OpTypes());
    }

    [TestMethod]
    [DataRow("another consumer"), DataRow("shared weights"), DataRow("no bias"), DataRow("spatial")]
    public void OtherPlaces_StayAsTheyAre(string change)
    {
        var test = new TestModel();
        var x = test.Input("x", 1, 4, 5, 5);
        var w = test.Weight("w", 4, 4, 1, 1);
        var value = change == "no bias" ? test.Node("Add", [x, test.Weight("b", 1)])
            : test.Node("Mul", [x, test.Weight("a", change == "spatial" ? [5] : [1])]);
        var conv = test.Node("Conv", change == "no bias" ? [value, w] : [value, w, test.Weight("c", 4)]);
        test.Output(conv);
        if (change == "another consumer") test.Output(test.Node("Exp", [value]));
        if (change == "shared weights") test.Output(test.Node("Conv", [x, w]));
        string[] before = test.OpTypes();

        test.RunEquivalently(new FoldIntoNextConvolution());

        CollectionAssert.AreEqual(before, test.OpTypes());
    }
}
