using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Onnx.Tests.Tensors;

[TestClass]
public class TensorTests
{
    [TestMethod]
    public void ByteLength_MustFitTypeAndShape()
    {
        Assert.AreEqual(2, Tensor.Create(DataType.Int4, [3], new byte[2]).ByteLength);
        Assert.AreEqual(3, Tensor.Create(DataType.Bool, [3], new bool[3]).ByteLength);
        Assert.AreEqual(16, Tensor.Create(DataType.Complex128, [], new double[2]).ByteLength);
        Assert.ThrowsExactly<ArgumentException>(() => Tensor.Create(DataType.Int4, [3], new byte[3]));
        Assert.ThrowsExactly<ArgumentException>(() => Tensor.Float([2, 2], 1, 2, 3));
    }

    [TestMethod]
    public void ElementCount_OfImpossibleShapes_Overflows()
    {
        Assert.AreEqual(0, Tensor.CountElements([0, long.MaxValue]));
        Assert.ThrowsExactly<OverflowException>(() => Tensor.CountElements([-1]));
        Assert.ThrowsExactly<OverflowException>(() => Tensor.CountElements([long.MaxValue, 2]));
        Assert.ThrowsExactly<OverflowException>(() => DataType.Double.ByteLength(long.MaxValue / 4));
        Assert.ThrowsExactly<OverflowException>(() => DataType.Int4.ByteLength(long.MaxValue / 2));
    }

    [TestMethod]
    public void Reshape_KeepsElementsOfEveryKind()
    {
        Assert.AreEqual(2, Tensor.Float([4], 1, 2, 3, 4).Reshape(2, 2).Rank);
        var strings = Tensor.FromStrings([2], [new byte[] { 1 }, new byte[] { 2 }]).Reshape(2, 1);
        Assert.AreEqual(2, strings.Strings!.Count);
        Assert.ThrowsExactly<ArgumentException>(() => Tensor.Float([4], 1, 2, 3, 4).Reshape(3));
        Assert.ThrowsExactly<ArgumentException>(() => strings.Reshape(3));
    }

    [TestMethod]
    public void Blocks_CoverArraysOfAnyElementType()
    {
        var data = TensorData.FromArray(new[] { 1, 2, 3 });
        byte[] joined = [.. data.Blocks().SelectMany(b => b.ToArray())];
        CollectionAssert.AreEqual(new byte[] { 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0 }, joined);
        using var pin = data.Blocks().Single().Pin();
        Assert.IsEmpty(TensorData.FromArray(Array.Empty<int>()).Blocks());
    }

    [TestMethod]
    public void ShapeElementCount_IsNullWhenUnknownOrTooLarge()
    {
        Assert.AreEqual(6L, Shape.Of(2, 3).ElementCount);
        Assert.AreEqual(1L, Shape.Of().ElementCount);
        Assert.AreEqual(0L, Shape.Of(long.MaxValue, long.MaxValue, 0).ElementCount);
        Assert.IsNull(Shape.Of(long.MaxValue, 2).ElementCount);
        Assert.IsNull(new Shape(Dimension.OfSymbol("N"), 2).ElementCount);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Dimension.Of(-1));
    }
}
