using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Passes.Simplification;

namespace ModelCompression.Tests.Passes.Simplification;

[TestClass]
public sealed class FuseHardSigmoidTests
{
    /// <summary>Four roundings of values up to 4·|x|: inputs are below 3 in magnitude.</summary>
    private const double Tolerance = 1e-5;

    [TestMethod]
    [DataRow("Div"), DataRow("Mul")]
    public void HardSwish_DividedLast_BecomesTwoOperators(string division)
    {
        var test = new TestModel(9);
        var x = test.Input("x", 3, 40);
        var gate = Clip(test, test.Node("Add", [x, test.Constant("three", Tensor.Float([1], 3))]));
        test.Output(Scaled(test, division, test.Node("Mul", [x, gate])));

        test.RunEquivalently(new FuseHardSigmoid(), Tolerance);

        CollectionAssert.AreEqual(new[] { "HardSigmoid", "Mul" }, test.OpTypes());
    }

    [TestMethod]
    public void HardSigmoid_DividedFirst_IsRecognised()
    {
        var test = new TestModel(13);
        var x = test.Input("x", 3, 40);
        var add = test.Node("Add", [test.Constant("three", Tensor.Float([], 3)), x]);
        var clip = test.Node("Clip", [add, test.Constant("lo", Tensor.Float([], 0)), test.Constant("hi", Tensor.Float([], 6))]);
        test.Output(test.Node("Mul", [test.Node("Div", [clip, test.Constant("six", Tensor.Float([], 6))]), x]));

        test.RunEquivalently(new FuseHardSigmoid(), Tolerance);

        CollectionAssert.AreEquivalent(new[] { "HardSigmoid", "Mul" }, test.OpTypes());
    }

    [TestMethod]
    [DataRow("returned"), DataRow("other divisor"), DataRow("other factor"), DataRow("lower bound")]
    public void OtherPatterns_StayAsTheyAre(string change)
    {
        var test = new TestModel(9);
        var x = test.Input("x", 3, 40);
        var gate = Clip(test, test.Node("Add", [x, test.Constant("three", Tensor.Float([1], 3))]), change == "lower bound" ? -1 : 0);
        var product = test.Node("Mul", [change == "other factor" ? test.Input("z", 3, 40) : x, gate]);
        test.Output(test.Node("Div", [product, test.Constant("six", Tensor.Float([1], change == "other divisor" ? 5 : 6))]));
        if (change == "returned") test.Output(gate);
        string[] before = test.OpTypes();

        test.RunEquivalently(new FuseHardSigmoid());

        CollectionAssert.AreEqual(before, test.OpTypes());
    }

    private static Value Clip(TestModel test, Value x, float min = 0) => test.Node("Clip", [x], NodeAttribute.Of("min", min), NodeAttribute.Of("max", 6f));

    private static Value Scaled(TestModel test, string division, Value x) =>
        test.Node(division, [x, test.Constant("six", Tensor.Float([1], division == "Div" ? 6f : 1f / 6))]);
}
