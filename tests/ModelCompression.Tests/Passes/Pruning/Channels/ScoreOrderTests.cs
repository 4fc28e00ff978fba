using ModelCompression.Passes.Pruning.Channels;

namespace ModelCompression.Tests.Passes.Pruning.Channels;

[TestClass]
public sealed class ScoreOrderTests
{
    [TestMethod]
    public void Ascending_EqualScores_KeepTheirOrder() =>
        CollectionAssert.AreEqual(new[] { 6, 2, 1, 4, 5, 0, 3 }, ScoreOrder.Ascending([3, 0.0, -1, double.PositiveInfinity, -0.0, 0.0, double.NaN]));

    [TestMethod]
    [DataRow(0)]
    [DataRow(1)]
    [DataRow(10_000)]
    public void Ascending_IsTheStableSortByScore(int count)
    {
        var random = new Random(count);
        double[] scores = [.. Enumerable.Range(0, count).Select(_ => random.Next(count / 4 + 1) / 8.0)];
        int[] expected = [.. Enumerable.Range(0, count).OrderBy(i => scores[i]).ThenBy(i => i)];

        CollectionAssert.AreEqual(expected, ScoreOrder.Ascending(scores));
    }
}
