using ModelCompression.Gradients;

namespace ModelCompression.Tests.Gradients;

[TestClass]
public sealed class MiniBatchesTests
{
    [TestMethod]
    [DataRow(100, null, 3, 32)]
    [DataRow(40, null, 2, 20)]
    [DataRow(3, null, 2, 1)]
    [DataRow(100, 4, 4, 25)]
    [DataRow(1000, 4, 4, 32)]
    [DataRow(5, 5, 5, 1)]
    public void ForStatistics_HasTheWantedBatches(int feeds, int? count, int batches, int length)
    {
        var plan = MiniBatches.ForStatistics(feeds, count, 1, shuffles: true)!;
        Assert.HasCount(batches, plan);
        Assert.IsTrue(plan.All(b => b.Length == length));
        var all = plan.SelectMany(b => b).ToList();
        Assert.AreEqual(all.Count, all.Distinct().Count());
        Assert.IsTrue(all.All(f => f >= 0 && f < feeds));
    }

    [TestMethod]
    [DataRow(1, null)]
    [DataRow(5, 6)]
    public void ForStatistics_IsNullWithoutEnoughFeeds(int feeds, int? count) => Assert.IsNull(MiniBatches.ForStatistics(feeds, count, 0, true));

    [TestMethod]
    public void Epoch_HasEveryFeedOnce_InAnOrderOfTheSeed()
    {
        int[] feeds = [.. Enumerable.Range(100, 50)];
        var first = MiniBatches.Epoch(feeds, 8, 1, true).SelectMany(b => b).ToArray();
        CollectionAssert.AreEqual(first, MiniBatches.Epoch(feeds, 8, 1, true).SelectMany(b => b).ToArray());
        CollectionAssert.AreNotEqual(first, MiniBatches.Epoch(feeds, 8, 2, true).SelectMany(b => b).ToArray());
        CollectionAssert.AreEquivalent(feeds, first);
        CollectionAssert.AreEqual(feeds, MiniBatches.Epoch(feeds, 8, 1, false).SelectMany(b => b).ToArray());
    }
}
