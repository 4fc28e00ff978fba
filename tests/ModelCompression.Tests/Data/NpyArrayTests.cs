using System.Globalization;
using System.Text;
using ModelCompression.Data.Arrays;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Testing;

namespace ModelCompression.Tests.Data;

[TestClass]
public sealed class NpyArrayTests
{
    [TestMethod]
    [DataRow(1)]
    [DataRow(2)]
    [DataRow(3)]
    public void ReadRows_EveryFormatVersion(int version)
    {
        var tensor = Read(ArrayFile.Npy("<f4", "3, 2", [1f, 2, 3, 4, 5, 6], version: version), a => a.ReadRows(1, 2, [2, 2]));
        CollectionAssert.AreEqual(new float[] { 3, 4, 5, 6 }, tensor.AsSpan<float>().ToArray());
    }

    [TestMethod]
    public void ReadAll_EveryElementType()
    {
        Check<byte>("|b1", DataType.Bool, [0, 1]);
        Check<byte>("|u1", DataType.UInt8, [0, 255]);
        Check<sbyte>("|i1", DataType.Int8, [-128, 127]);
        Check<short>("<i2", DataType.Int16, [-2, 300]);
        Check<ushort>("<u2", DataType.UInt16, [1, 65535]);
        Check("<i4", DataType.Int32, [-2, int.MaxValue]);
        Check<uint>("<u4", DataType.UInt32, [1, uint.MaxValue]);
        Check("<i8", DataType.Int64, [-2, long.MaxValue]);
        Check<ulong>("<u8", DataType.UInt64, [1, ulong.MaxValue]);
        Check("<f2", DataType.Float16, [(Half)1.5, (Half)(-2)]);
        Check("<f8", DataType.Double, [1.5, double.NaN]);
        Check("<c8", DataType.Complex64, [1f, 2f, 3f, 4f]);
        Check("<c16", DataType.Complex128, [1.0, 2.0, 3.0, 4.0]);
        Check<ushort>("|V2", DataType.BFloat16, [0x3F80, 0x4000]);
    }

    [TestMethod]
    public void ReadAll_BigEndian_IsReversed()
    {
        var floats = Read(ArrayFile.Npy(">f4", "2,", [Swapped(1.5f), Swapped(-3f)]), a => a.ReadAll());
        CollectionAssert.AreEqual(new[] { 1.5f, -3f }, floats.AsSpan<float>().ToArray());
        var complex = Read(ArrayFile.Npy(">c8", "1,", [Swapped(1.5f), Swapped(-3f)]), a => a.ReadAll());
        CollectionAssert.AreEqual(new[] { 1.5f, -3f }, complex.AsSpan<float>().ToArray());
    }

    [TestMethod]
    public void ReadRows_FortranOrder_IsTurnedAround()
    {
        // a[i, j, k] = 100 i + 10 j + k of shape (2, 3, 4), first axis fastest.
        var elements = new int[24];
        for (int i = 0, at = 0; i < 4; i++)
            for (int j = 0; j < 3; j++)
                for (int k = 0; k < 2; k++) elements[at++] = (100 * k) + (10 * j) + i;
        var row = Read(ArrayFile.Npy("<i4", "2, 3, 4", elements, fortran: true), a => a.ReadRows(1, 1, [1, 3, 4]));
        CollectionAssert.AreEqual(new[] { 100, 101, 102, 103, 110, 111, 112, 113, 120, 121, 122, 123 }, row.AsSpan<int>().ToArray());
    }

    [TestMethod]
    public void ReadAll_Text_LosesItsPadding()
    {
        var bytes = Read(ArrayFile.Npy("|S4", "2,", "ab\0\0wxyz"u8.ToArray()), a => a.ReadAll());
        CollectionAssert.AreEqual(new[] { "ab", "wxyz" }, Texts(bytes));
        var wide = Read(ArrayFile.Npy("<U2", "2,", Encoding.UTF32.GetBytes("é\0ßz")), a => a.ReadAll());
        CollectionAssert.AreEqual(new[] { "é", "ßz" }, Texts(wide));
    }

    [TestMethod]
    public void Open_Scalar_AndEmpty()
    {
        Assert.AreEqual(16000L, Read(ArrayFile.Longs("", 16000), a => a.ReadAll()).AsSpan<long>()[0]);
        Assert.AreEqual(0L, Read(ArrayFile.Floats("0, 4"), a => a.ReadAll()).ElementCount);
    }

    [TestMethod]
    [DataRow("{'descr': '|O', 'fortran_order': False, 'shape': (2,), }", "MCB3004", "pickled")]
    [DataRow("{'descr': '<M8[ns]', 'fortran_order': False, 'shape': (2,), }", "MCB3004", "M8")]
    [DataRow("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", "MCB3004", "records")]
    [DataRow("{'descr': '<f4', 'fortran_order': False, 'shape': (9,), }", "MCB3003", "36 bytes")]
    [DataRow("{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999, 9999999999), }", "MCB3003", "impossible shape")]
    [DataRow("{'descr': '<f4', 'shape': (2,), }", "MCB3003", "not understood")]
    [DataRow("garbage", "MCB3003", "not understood")]
    public void Open_BadHeader_IsOneCodedError(string header, string code, string part)
    {
        var error = Assert.ThrowsExactly<DiagnosticException>(() => Read(ArrayFile.Npy(header, new byte[16]), a => a.ReadAll())).Diagnostic;
        Assert.AreEqual(code, error.Code);
        StringAssert.Contains(error.Message, part);
    }

    [TestMethod]
    public void Open_AnyTruncation_IsACodedError()
    {
        byte[] whole = ArrayFile.Floats("2, 3", 1, 2, 3, 4, 5, 6);
        for (int length = 1; length < whole.Length; length++)
        {
            var error = Assert.ThrowsExactly<DiagnosticException>(() => Read(whole[..length], a => a.ReadAll()), length.ToString(CultureInfo.InvariantCulture));
            Assert.AreEqual("MCB3003", error.Diagnostic.Code);
        }
    }

    private static void Check<T>(string descr, DataType type, T[] elements) where T : unmanaged
    {
        string count = type is DataType.Complex64 or DataType.Complex128 ? "2," : $"{elements.Length},";
        var tensor = Read(ArrayFile.Npy(descr, count, elements), a => a.ReadAll());
        Assert.AreEqual(type, tensor.DataType, descr);
        CollectionAssert.AreEqual(elements, tensor.AsSpan<T>().ToArray(), descr);
    }

    private static string[] Texts(Tensor tensor) => [.. tensor.Strings!.Select(s => Encoding.UTF8.GetString(s.Span))];

    private static uint Swapped(float value) => System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(BitConverter.SingleToUInt32Bits(value));

    private static Tensor Read(byte[] npy, Func<NpyArray, Tensor> read)
    {
        using var folder = new TemporaryFolder();
        string path = folder.Combine("a.npy");
        File.WriteAllBytes(path, npy);
        using var arrays = ArrayCollection.OpenNpy(path);
        return read(arrays.Arrays[0]);
    }
}
