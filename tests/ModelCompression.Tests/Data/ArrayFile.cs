using System.Buffers.Binary;
using System.IO.Compression;
using System.Runtime.InteropServices;
using System.Text;

namespace ModelCompression.Tests.Data;

/// <summary>Writes NumPy files as numpy does, and as it does not.</summary>
internal static class ArrayFile
{
    public static byte[] Npy<T>(string descr, string shape, T[] elements, bool fortran = false, int version = 1) where T : unmanaged =>
        Npy($"{{'descr': '{descr}', 'fortran_order': {(fortran ? "True" : "False")}, 'shape': ({shape}), }}", MemoryMarshal.AsBytes(elements.AsSpan()).ToArray(), version);

    public static byte[] Npy(string header, byte[] elements, int version = 1)
    {
        int prefix = version == 1 ? 10 : 12;
        int length = (prefix + header.Length + 1 + 63) / 64 * 64;
        var bytes = new byte[length + elements.Length];
        Encoding.Latin1.GetBytes("\x93NUMPY").CopyTo(bytes, 0);
        bytes[6] = (byte)version;
        if (version == 1) BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(8), (ushort)(length - prefix));
        else BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(8), length - prefix);
        Encoding.UTF8.GetBytes(header.PadRight(length - prefix - 1) + "\n").CopyTo(bytes, prefix);
        elements.CopyTo(bytes, length);
        return bytes;
    }

    public static byte[] Floats(string shape, params float[] elements) => Npy("<f4", shape, elements);

    public static byte[] Longs(string shape, params long[] elements) => Npy("<i8", shape, elements);

    public static string Npz(string path, CompressionLevel level, params (string Name, byte[] Npy)[] arrays)
    {
        using var zip = ZipFile.Open(path, ZipArchiveMode.Create);
        foreach (var (name, npy) in arrays)
        {
            using var stream = zip.CreateEntry(name + ".npy", level).Open();
            stream.Write(npy);
        }

        return path;
    }

    public static string Npz(string path, params (string Name, byte[] Npy)[] arrays) => Npz(path, CompressionLevel.NoCompression, arrays);
}
