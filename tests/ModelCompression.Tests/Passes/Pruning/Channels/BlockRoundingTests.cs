using ModelCompression.Options;
using ModelCompression.Passes;
using ModelCompression.Passes.Pruning.Channels;

namespace ModelCompression.Tests.Passes.Pruning.Channels;

[TestClass]
public sealed class BlockRoundingTests
{
    private static readonly CompressionOptions Global = new() { Pruning = PruningCriterion.Magnitude, PruningPattern = new(PruningPatternKind.Channel), PruningScope = PruningScope.Global };

    [TestMethod]
    [DataRow(0.2), DataRow(0.35), DataRow(0.5), DataRow(0.7)]
    public void Global_KeepsWholeBlocksOfConvolutions_WithinTheSparsity(double sparsity)
    {
        long[] kept = Kept([64, 96, 48, 128], Global with { Sparsity = sparsity });
        foreach (long count in kept) Assert.AreEqual(0, count % 16, string.Join(',', kept));
        Assert.IsLessThanOrEqualTo(sparsity + 1e-9, 1 - (kept.Sum() / 336.0));
        // Four layers can each miss a block at most.
        Assert.IsGreaterThan(sparsity - (4 * 16 / 336.0), 1 - (kept.Sum() / 336.0));
        Assert.IsLessThan(336, kept.Sum());
    }

    [TestMethod]
    public void SmallLayers_AndThoseRankedByThemselves_KeepTheirMultiple()
    {
        Assert.IsTrue(Kept([24, 24, 24], Global with { Sparsity = 0.4, ChannelMultiple = 4 }).Any(k => k % 16 != 0));
        CollectionAssert.AreEqual(new long[] { 40, 40 }, Kept([64, 64], Global with { Sparsity = 0.4, PruningScope = PruningScope.Layer }));
    }

    private static long[] Kept(int[] widths, CompressionOptions options)
    {
        var net = new NetBuilder(17, 1, 3, 8, 8);
        var (x, channels) = (net.Input, 3);
        foreach (int width in widths) (x, channels) = (net.Relu(net.Conv(x, channels, width)), width);
        using var model = net.Return(net.Conv(x, channels, 4));
        new RemoveChannels([new MagnitudeChannelScorer()]).Run(model, new(options), new PassLog());
        return [.. model.Graph.Nodes.Where(n => n.Is("Conv")).Take(widths.Length).Select(n => n.Inputs[1]!.Initializer!.Dims[0])];
    }
}
