using System.Runtime.InteropServices;
using FsCheck;
using FsCheck.Fluent;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Packing;

namespace ModelCompression.Tests.Packing;

[TestClass]
public sealed class TensorPackingTests
{
    private static readonly DataType[] Types = [DataType.Float, DataType.Float16, DataType.Int8, DataType.UInt8, DataType.Double, DataType.Int16, DataType.Int32, DataType.Int64];

    private static readonly Gen<long[]> Shapes = Gen.OneOf(
        Gen.Elements<long[]>([], [0], [3, 0, 2], [1], [1, 1000], [1, 1, 7, 1, 99], [512]),
        from rank in Gen.Choose(1, 5)
        from dims in Gen.ArrayOf(Gen.Choose(1, rank switch { 1 => 3000, 2 => 60, 3 => 15, 4 => 8, _ => 6 }).Select(d => (long)d), rank)
        select dims);

    private static readonly Gen<Case> Cases =
        from type in Gen.Elements(Types)
        from dims in Shapes
        from density in Gen.Elements(0, 0.001, 0.02, 0.1, 0.3, 0.5, 0.9, 1)
        from distinct in Gen.Elements(1, 2, 3, 4, 7, 15, 16, 31, 60, 100, 200, 256, 257, int.MaxValue)
        from storage in Gen.Elements(SparseStorage.Auto, SparseStorage.Dense, SparseStorage.Gaps, SparseStorage.Bitmask)
        from opset in Gen.Elements(7L, 8L, 9L, 10L, 11L, 12L, 13L, 17L, 18L, 21L)
        from palette in Gen.Elements(true, false)
        from seed in Gen.Choose(0, int.MaxValue)
        select new Case(type, dims, density, distinct, storage, opset, palette, seed);

    /// <summary>Enough elements to be looked up several at a time, up to the number from which every width is.</summary>
    private static readonly Gen<Case> LargeCases =
        from type in Gen.Elements(Types)
        from dims in Gen.OneOf(
            Gen.Choose(65_530, 65_545).Select(count => new[] { (long)count }),
            Gen.Choose(262_140, 262_155).Select(count => new[] { 1, (long)count }),
            from rows in Gen.Choose(250, 600) from columns in Gen.Choose(250, 600) select new[] { rows, (long)columns })
        from density in Gen.Elements(0.1, 0.5, 1)
        from width in Gen.Choose(1, 7)
        from missing in Gen.Elements(0, 1, 3)
        from storage in Gen.Elements(SparseStorage.Auto, SparseStorage.Dense, SparseStorage.Gaps, SparseStorage.Bitmask)
        from opset in Gen.Elements(10L, 11L, 13L, 21L)
        from seed in Gen.Choose(0, int.MaxValue)
        select new Case(type, dims, density, Math.Max(2, (1 << width) - missing), storage, opset, true, seed);

    [TestMethod]
    public void Emit_UnpacksEveryBitInOnnxRuntime() => Check.One(Config.QuickThrowOnFailure.WithMaxTest(400), Prop.ForAll(Cases.ToArbitrary(), c =>
    {
        var tensor = c.Make();
        var plan = TensorPacking.Plan(tensor, new PackingRequest(c.Storage, c.Opset) { AllowPalette = c.Palette });
        Assert.IsLessThanOrEqualTo(plan.DenseByteLength, plan.StoredByteLength);
        ConstantModel.AssertUnpacks(plan, tensor, c.Opset, c.ToString());
        return true;
    }));

    [TestMethod]
    public void Emit_UnpacksManyCodesInOnnxRuntime() => Check.One(Config.QuickThrowOnFailure.WithMaxTest(60), Prop.ForAll(LargeCases.ToArbitrary(), c =>
    {
        var tensor = c.Make();
        var plan = TensorPacking.Plan(tensor, new PackingRequest(c.Storage, c.Opset) { NameByteLength = 6 });
        ConstantModel.AssertUnpacks(plan, tensor, c.Opset, c.ToString());
        AssertGrowsBy(plan, false, c);
        return true;
    }));

    [TestMethod]
    [DataRow(7L, PackingKind.Bitmask)]
    [DataRow(8L, PackingKind.Bitmask)]
    [DataRow(9L, PackingKind.Gaps)]
    [DataRow(10L, PackingKind.Gaps)]
    [DataRow(11L, PackingKind.Gaps)]
    [DataRow(13L, PackingKind.Gaps)]
    [DataRow(17L, PackingKind.Gaps)]
    [DataRow(21L, PackingKind.Gaps)]
    public void Plan_TakesWhatTheOpsetCan(long opset, PackingKind expected)
    {
        var tensor = new Case(DataType.Float, [64, 200], 0.05, 12, SparseStorage.Auto, opset, true, 1).Make();
        var plan = TensorPacking.Plan(tensor, new PackingRequest(SparseStorage.Auto, opset));
        Assert.AreEqual(expected, plan.Kind);
        ConstantModel.AssertUnpacks(plan, tensor, opset);
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(2)]
    [DataRow(3)]
    [DataRow(4)]
    [DataRow(5)]
    [DataRow(6)]
    [DataRow(7)]
    [DataRow(8)]
    public void Plan_StoresCodesOfNBitsInNBits(int bits)
    {
        const int Count = 8 * 4000;
        var codes = new sbyte[Count];
        for (int i = 0; i < Count; i++) codes[i] = (sbyte)((i % (1 << bits)) - (1 << (bits - 1)));
        var tensor = Tensor.Create(DataType.Int8, [8, 4000], codes);
        foreach (long opset in new[] { 7L, 9L, 11L, 13L, 18L, 21L })
        {
            var plan = TensorPacking.Plan(tensor, new PackingRequest(SparseStorage.Dense, opset));
            Assert.AreEqual(bits == 8 ? PackingKind.Dense : PackingKind.Palette, plan.Kind);
            Assert.AreEqual(bits == 8 ? 0 : bits, plan.PaletteBits);
            Assert.IsLessThan((Count * bits / 8) + 1600, plan.StoredByteLength);
            ConstantModel.AssertUnpacks(plan, tensor, opset);
        }
    }

    [TestMethod]
    public void Plan_NegativeZeroIsAValue()
    {
        var elements = new float[2000];
        for (int i = 0; i < elements.Length; i += 7) elements[i] = i % 2 == 0 ? -0f : float.NaN;
        var tensor = Tensor.Float([2000], elements);
        foreach (var storage in new[] { SparseStorage.Gaps, SparseStorage.Bitmask, SparseStorage.Dense })
            ConstantModel.AssertUnpacks(TensorPacking.Plan(tensor, new PackingRequest(storage, 13)), tensor, 13);
    }

    [TestMethod]
    public void Plan_OneValueIsFilled()
    {
        var tensor = Tensor.Create(DataType.Int8, [100, 30], [.. Enumerable.Repeat((sbyte)-3, 3000)]);
        var plan = TensorPacking.Plan(tensor, new PackingRequest(SparseStorage.Auto, 13));
        Assert.AreEqual("one value", plan.Description);
        Assert.IsLessThan(150, plan.StoredByteLength);
        ConstantModel.AssertUnpacks(plan, tensor, 13);
    }

    [TestMethod]
    public void Plan_CodesWithAZeroPointAreSparseAroundIt()
    {
        var random = new Random(3);
        var codes = new byte[10000];
        for (int i = 0; i < codes.Length; i++) codes[i] = random.Next(10) == 0 ? (byte)random.Next(256) : (byte)129;
        var tensor = Tensor.Create(DataType.UInt8, [100, 100], codes);
        var plan = TensorPacking.Plan(tensor, new PackingRequest(SparseStorage.Auto, 13));
        Assert.AreEqual(PackingKind.Gaps, plan.Kind);
        Assert.IsLessThan(2700, plan.StoredByteLength);
        ConstantModel.AssertUnpacks(plan, tensor, 13);
    }

    [TestMethod]
    [DataRow(SparseStorage.Gaps)]
    [DataRow(SparseStorage.Bitmask)]
    [DataRow(SparseStorage.Auto)]
    public void Plan_TooFewZeros_StaysDenseWithAReason(SparseStorage storage)
    {
        var tensor = new Case(DataType.Float, [100, 100], 0.999, int.MaxValue, storage, 13, true, 5).Make();
        var plan = TensorPacking.Plan(tensor, new PackingRequest(storage, 13));
        Assert.AreEqual(PackingKind.Dense, plan.Kind);
        StringAssert.Contains(plan.Reason, "too few to gain");
    }

    [TestMethod]
    [DataRow(6L, SparseStorage.Auto, "opset 6 cannot unpack")]
    [DataRow(8L, SparseStorage.Gaps, "opset 8 cannot unpack gaps")]
    public void Plan_OpsetTooOld_StaysDenseWithAReason(long opset, SparseStorage storage, string reason)
    {
        var tensor = new Case(DataType.Float, [100, 100], 0.1, int.MaxValue, storage, opset, true, 5).Make();
        var plan = TensorPacking.Plan(tensor, new PackingRequest(storage, opset));
        Assert.AreEqual(PackingKind.Dense, plan.Kind);
        StringAssert.Contains(plan.Reason, reason);
    }

    [TestMethod]
    public void StoredByteLength_IsWhatTheFileGrowsBy() => Check.One(Config.QuickThrowOnFailure.WithMaxTest(100), Prop.ForAll(Cases.ToArbitrary(), c =>
    {
        var tensor = c.Make();
        foreach (bool constantNodes in new[] { false, true })
        {
            var plan = TensorPacking.Plan(tensor, new PackingRequest(c.Storage, c.Opset) { AllowPalette = c.Palette, UseConstantNodes = constantNodes, NameByteLength = 6 });
            AssertGrowsBy(plan, constantNodes, c);
        }

        return true;
    }));

    private static void AssertGrowsBy(PackingPlan plan, bool constantNodes, Case c)
    {
        var model = ConstantModel.Empty(c.Opset);
        var input = model.Graph.AddInput("x", new TensorType(DataType.Float, Shape.Of(1)));
        model.Graph.AddOutput(model.Graph.AddNode("Identity", [input], ["y"]).Outputs[0]!);
        model.Graph.Outputs[0].Type = input.Type;
        // Sizes are planned for a prefix of five characters: p_100.
        for (int i = 0; i <= 99; i++) model.Graph.NewName("p");
        long before = OnnxWriter.ToBytes(model).Length;
        plan.Emit(model.Graph, null, "weight");
        long grown = OnnxWriter.ToBytes(model).Length - before;
        // The length of the graph, which stands before it, takes up to three bytes more now.
        Assert.IsTrue(grown >= plan.StoredByteLength && grown <= plan.StoredByteLength + 3, $"{plan.StoredByteLength} planned, {grown} written, {plan.Description}, constant nodes {constantNodes}, {c}");
    }

    private sealed record Case(DataType Type, long[] Dims, double Density, int Distinct, SparseStorage Storage, long Opset, bool Palette, int Seed)
    {
        public Tensor Make()
        {
            var random = new Random(Seed);
            long count = Tensor.CountElements(Dims);
            var palette = Enumerable.Range(0, Math.Min(Distinct, 300)).Select(_ => random.NextInt64()).ToArray();
            int size = Type.BitWidth() / 8;
            var bytes = new byte[count * size];
            Span<byte> element = stackalloc byte[8];
            for (long i = 0; i < count; i++)
            {
                if (random.NextDouble() >= Density) continue;
                long value = Distinct > 300 ? random.NextInt64() : palette[random.Next(palette.Length)];
                MemoryMarshal.Write(element, value);
                element[..size].CopyTo(bytes.AsSpan((int)(i * size)));
            }

            return new Tensor(Type, Dims, TensorData.FromArray(bytes));
        }

        public override string ToString() => $"{Type}[{string.Join(',', Dims)}] density {Density} distinct {Distinct} {Storage} opset {Opset} palette {Palette} seed {Seed}";
    }
}
