using ModelCompression.Numerics;

namespace ModelCompression.Tests.Numerics;

[TestClass]
public sealed class GramKernelTests
{
    [TestMethod]
    [DataRow(1, 1), DataRow(3, 7), DataRow(256, 8), DataRow(5, 9), DataRow(100, 17), DataRow(31, 44), DataRow(256, 130)]
    public void Add_IsTheChainOfFusedProductsOfEachElement(int count, int width)
    {
        var random = new Random(width);
        var rows = Enumerable.Range(0, count * width).Select(_ => (float)(random.NextDouble() - 0.5)).ToArray();
        var gram = new float[width * width];
        var exact = new double[width * width];
        GramKernel.Add(rows, count, width, gram);
        GramKernel.AddUpper(rows, count, width, exact);
        GramKernel.AddUpper(rows, count, width, exact);
        GramKernel.Mirror(exact, width);
        for (int i = 0; i < width; i++)
            for (int j = 0; j < width; j++)
            {
                float sum = 0;
                for (int r = 0; r < count; r++) sum = MathF.FusedMultiplyAdd(rows[(r * width) + Math.Min(i, j)], rows[(r * width) + Math.Max(i, j)], sum);
                Assert.AreEqual(sum, gram[(i * width) + j]);
                Assert.AreEqual(2.0 * sum, exact[(i * width) + j]);
            }
    }
}
