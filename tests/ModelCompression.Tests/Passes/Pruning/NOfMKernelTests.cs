using FsCheck;
using FsCheck.Fluent;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Passes.Pruning;

namespace ModelCompression.Tests.Passes.Pruning;

[TestClass]
public sealed class NOfMKernelTests
{
    private sealed record Case(int Outer, int Axis, int Inner, int N, int M, int Seed);

    private static readonly Gen<Case> Cases =
        from outer in Gen.Choose(1, 4)
        from axis in Gen.Choose(1, 40)
        from inner in Gen.Elements(1, 2, 7, 8, 33)
        from m in Gen.Choose(2, 9)
        from n in Gen.Choose(1, m - 1)
        from seed in Gen.Choose(0, int.MaxValue)
        select new Case(outer, axis, inner, n, m, seed);

    [TestMethod]
    public void PruneNOfM_KeepsTheLargestOfEveryGroup() => Prop.ForAll(Cases.ToArbitrary(), c =>
    {
        var random = new Random(c.Seed);
        var weights = Enumerable.Range(0, c.Outer * c.Axis * c.Inner).Select(_ => random.Next(-4, 5) * 0.25f).ToArray();
        var expected = new float[weights.Length];
        for (int outer = 0; outer < c.Outer; outer++)
            for (int inner = 0; inner < c.Inner; inner++)
                for (int first = 0; first < c.Axis; first += c.M)
                {
                    int At(int i) => (((outer * c.Axis) + i) * c.Inner) + inner;
                    var group = Enumerable.Range(first, Math.Min(c.M, c.Axis - first));
                    foreach (int i in group.OrderByDescending(i => Math.Abs(weights[At(i)])).Take(c.N)) expected[At(i)] = weights[At(i)];
                }

        var pruned = WeightElements.TryCreate(Tensor.Float([c.Outer, c.Axis, c.Inner], weights))!.PruneNOfM(1, c.N, c.M);
        var half = WeightElements.TryCreate(Tensor.Create(DataType.Float16, [c.Outer, c.Axis, c.Inner], weights.Select(w => (Half)w).ToArray()))!.PruneNOfM(1, c.N, c.M);
        return pruned.ToTensor().AsSpan<float>().SequenceEqual(expected)
            && half.ToTensor().AsSpan<Half>().ToArray().Select(h => (float)h).SequenceEqual(expected);
    }).QuickCheckThrowOnFailure();
}
