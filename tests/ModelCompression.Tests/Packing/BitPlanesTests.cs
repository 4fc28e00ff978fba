using FsCheck;
using FsCheck.Fluent;
using ModelCompression.Packing;

namespace ModelCompression.Tests.Packing;

[TestClass]
public sealed class BitPlanesTests
{
    private static readonly Gen<byte[]> Codes =
        from length in Gen.Frequency((3, Gen.Choose(0, 70)), (1, Gen.Choose(71, 2000)))
        from codes in Gen.ArrayOf(Gen.Choose(0, 255).Select(c => (byte)c), length)
        select codes;

    [TestMethod]
    public void Pack_RoundTripsEveryPart() => Prop.ForAll(Codes.ToArbitrary(), Gen.Elements(1, 2, 4, 8).ToArbitrary(), Gen.Choose(0, 7).ToArbitrary(), (codes, bits, shift) =>
    {
        shift = Math.Min(shift, 8 - bits);
        var packed = new byte[BitPlanes.ByteLength(codes.Length, bits)];
        BitPlanes.Pack(codes, shift, bits, packed);
        var unpacked = new byte[codes.Length];
        BitPlanes.Unpack(packed, bits, unpacked);
        return unpacked.SequenceEqual(codes.Select(c => (byte)((c >> shift) & ((1 << bits) - 1))));
    }).QuickCheckThrowOnFailure();

    [TestMethod]
    public void Pack_PutsCodesInPlanes()
    {
        var packed = new byte[2];
        BitPlanes.Pack([1, 2, 3, 4], 0, 4, packed);
        CollectionAssert.AreEqual(new byte[] { 0x31, 0x42 }, packed);
        BitPlanes.Pack([1, 0, 1], 0, 1, packed.AsSpan(0, 1));
        Assert.AreEqual(0b101, packed[0]);
    }

    [TestMethod]
    public void PackPairs_IsTheUInt4Layout()
    {
        var packed = new byte[2];
        BitPlanes.PackPairs([1, 2, 15], 0, packed);
        CollectionAssert.AreEqual(new byte[] { 0x21, 0x0F }, packed);
        BitPlanes.PackPairs([0x10, 0xF1], 4, packed.AsSpan(0, 1));
        Assert.AreEqual(0xF1, packed[0]);
    }

    [TestMethod]
    [DataRow(3)]
    [DataRow(5)]
    [DataRow(6)]
    [DataRow(7)]
    public void Parts_AddUpToTheWidth(int width) => Assert.AreEqual(width, BitPlanes.Parts(width).ToArray().Sum());
}
