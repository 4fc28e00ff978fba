using ModelCompression.Passes.Quantization;

namespace ModelCompression.Tests.Passes.Quantization;

[TestClass]
public sealed class PrecisionAllocatorTests
{
    [TestMethod]
    public void Choice_IsTheBestOfAllCombinations_WhenTheLimitLiesOnTheHull()
    {
        var random = new Random(11);
        for (int round = 0; round < 50; round++)
        {
            var candidates = Enumerable.Range(0, 4).Select(_ => (IReadOnlyList<PrecisionCandidate>)Weight(random)).ToArray();
            // Any limit that the allocation reaches exactly is one for which no combination of as few bytes has less noise.
            var reached = PrecisionAllocator.Choose(candidates, random.Next(400, 4000), 0);
            long bytes = reached.Sum(c => c.ByteLength);
            var chosen = PrecisionAllocator.Choose(candidates, bytes, 0);
            double best = Combinations(candidates).Where(c => c.Sum(x => x.ByteLength) <= bytes).Select(c => c.Sum(x => x.NoiseToSignal)).DefaultIfEmpty(double.PositiveInfinity).Min();
            Assert.IsLessThanOrEqualTo(bytes, chosen.Sum(c => c.ByteLength));
            // Skipping a step that does not fit can leave it at most that step's worth above the optimum.
            Assert.IsLessThanOrEqualTo(best + candidates.Max(c => c.Max(x => x.NoiseToSignal)), chosen.Sum(c => c.NoiseToSignal));
        }
    }

    [TestMethod]
    public void SmallWeights_AreServedFirst_WhenAllAreEquallyNoisy()
    {
        PrecisionCandidate[] small = [new(WeightPrecision.Plain, 100, 1e-4), new(WeightPrecision.Half, 200, 1e-8)];
        PrecisionCandidate[] large = [new(WeightPrecision.Plain, 10000, 1e-4), new(WeightPrecision.Half, 20000, 1e-8)];
        var chosen = PrecisionAllocator.Choose([large, small], 12000, 0);
        Assert.AreEqual(WeightPrecision.Plain, chosen[0].Precision);
        Assert.AreEqual(WeightPrecision.Half, chosen[1].Precision);
    }

    [TestMethod]
    public void NothingIsSpent_OnceTheTargetIsReached()
    {
        PrecisionCandidate[] weight = [new(WeightPrecision.Plain, 100, 1e-4), new(WeightPrecision.Half, 200, 1e-8)];
        Assert.AreEqual(WeightPrecision.Plain, PrecisionAllocator.Choose([weight], 1000, 1e-4)[0].Precision);
        Assert.AreEqual(WeightPrecision.Half, PrecisionAllocator.Choose([weight], 1000, 9e-5)[0].Precision);
    }

    [TestMethod]
    public void LimitBelowTheSmallest_TakesTheSmallest()
    {
        PrecisionCandidate[] weight = [new(WeightPrecision.Half, 200, 1e-8), new(WeightPrecision.Plain, 100, 1e-4)];
        Assert.AreEqual(WeightPrecision.Plain, PrecisionAllocator.Choose([weight], 10, 0)[0].Precision);
    }

    [TestMethod]
    public void CandidatesThatCostMoreAndAreWorse_AreNeverChosen()
    {
        PrecisionCandidate[] weight = [new(WeightPrecision.Plain, 100, 1e-4), new(new(9, true, false), 150, 2e-4), new(WeightPrecision.Half, 200, 1e-8)];
        for (long limit = 90; limit < 260; limit += 10)
            Assert.AreNotEqual(9, PrecisionAllocator.Choose([weight], limit, 0)[0].Precision.Bits);
    }

    private static PrecisionCandidate[] Weight(Random random)
    {
        long bytes = random.Next(50, 500);
        double noise = Math.Pow(10, -2 - (3 * random.NextDouble()));
        return [.. Enumerable.Range(0, 4).Select(i => new PrecisionCandidate(new(8 + i, false, false), bytes + (i * random.Next(1, 200)), noise * Math.Pow(0.3, i)))];
    }

    private static IEnumerable<PrecisionCandidate[]> Combinations(IReadOnlyList<PrecisionCandidate>[] candidates) =>
        candidates.Aggregate<IReadOnlyList<PrecisionCandidate>, IEnumerable<PrecisionCandidate[]>>([[]], (all, next) => all.SelectMany(a => next.Select(n => (PrecisionCandidate[])[.. a, n])));
}
