using FsCheck;
using FsCheck.Fluent;
using ModelCompression.Packing;

namespace ModelCompression.Tests.Packing;

[TestClass]
public sealed class CodeUnitsTests
{
    private static readonly Gen<(int Width, byte[] Codes)> Cases =
        from width in Gen.Choose(1, 7)
        from length in Gen.Choose(0, 70)
        from codes in Gen.ArrayOf(Gen.Choose(0, (1 << width) - 1).Select(c => (byte)c), length)
        select (width, codes);

    [TestMethod]
    public void UpperAndLower_HoldCodesFromTheLowestBitOn() => Check.One(Config.QuickThrowOnFailure.WithMaxTest(500), Prop.ForAll(Cases.ToArbitrary(), c =>
    {
        int perUnit = CodeUnits.CodesPerUnit(c.Width);
        byte[] upper = CodeUnits.Upper(c.Codes, c.Width), lower = CodeUnits.Lower(c.Codes, c.Width);
        Assert.HasCount((c.Codes.Length + perUnit - 1) / perUnit, upper);
        Assert.HasCount(upper.Length, lower);
        for (int i = 0; i < upper.Length * perUnit; i++)
        {
            int unit = (upper[i / perUnit] << CodeUnits.LowBits(c.Width)) | lower[i / perUnit];
            Assert.AreEqual(i < c.Codes.Length ? c.Codes[i] : 0, (unit >> (i % perUnit * c.Width)) & ((1 << c.Width) - 1), $"code {i} of {c.Codes.Length}, {c.Width} bits");
        }

        return true;
    }));

    [TestMethod]
    [DataRow(0)]
    [DataRow(8)]
    public void CodesPerUnit_OtherWidths_Throws(int width) => Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => CodeUnits.CodesPerUnit(width));
}
