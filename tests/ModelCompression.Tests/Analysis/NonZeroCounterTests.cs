using System.Runtime.InteropServices;
using ModelCompression.Analysis.Costs;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Tests.Analysis;

[TestClass]
public sealed class NonZeroCounterTests
{
    [TestMethod]
    [DataRow(0)]
    [DataRow(1)]
    [DataRow(7)]
    [DataRow(31)]
    [DataRow(1000)]
    [DataRow(70_001)]
    [DataRow(600_003)]
    public void Count_AgreesWithScalarOracle(int length)
    {
        var random = new Random(length);
        float[] special = [0f, -0f, float.Epsilon, -float.Epsilon, float.NaN, float.PositiveInfinity, 1f];
        var floats = new float[length];
        for (int i = 0; i < length; i++) floats[i] = special[random.Next(special.Length)];
        var halves = Array.ConvertAll(floats, f => (Half)f);
        var bytes = Array.ConvertAll(floats, f => (sbyte)(f == 0 ? 0 : random.Next(1, 127)));

        Tensor[] tensors =
        [
            Tensor.Float([length], floats),
            Tensor.Create(DataType.Float16, [length], halves),
            Tensor.Create(DataType.Int8, [length], bytes),
            Tensor.Create(DataType.Double, [length], Array.ConvertAll(floats, f => (double)f)),
        ];
        long[] expected = [floats.LongCount(f => f != 0), halves.LongCount(h => h != (Half)0), bytes.LongCount(b => b != 0), floats.LongCount(f => f != 0)];

        CollectionAssert.AreEqual(expected, NonZeroCounter.Count(tensors));
        CollectionAssert.AreEqual(expected, NonZeroCounter.Count(tensors, maxThreads: 1));
    }

    [TestMethod]
    public void Count_AllZeros_DoesNotOverflowNarrowLanes()
    {
        // More than 255 vectors of one byte lanes, all zero: a lane that wraps around would count nothing.
        var tensor = Tensor.Create(DataType.UInt8, [100_000], new byte[100_000]);
        Assert.AreEqual(0, NonZeroCounter.Count([tensor]).Single());
        Assert.IsGreaterThan(0, MemoryMarshal.AsBytes(tensor.AsSpan<byte>()).Length);
    }
}
