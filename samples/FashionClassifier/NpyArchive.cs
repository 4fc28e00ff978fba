using System.IO.Compression;
using System.Runtime.InteropServices;
using System.Text;

namespace FashionClassifier;

/// <summary>Reads one array of a NumPy .npz archive: little-endian, C order, as this sample's data is.</summary>
internal static class NpyArchive
{
    public static T[] Read<T>(string path, string array) where T : unmanaged
    {
        using var archive = ZipFile.OpenRead(path);
        using var entry = archive.GetEntry(array + ".npy")!.Open();
        using var buffer = new MemoryStream();
        entry.CopyTo(buffer);
        byte[] bytes = buffer.ToArray();
        int headerLength = BitConverter.ToUInt16(bytes, 8);
        string header = Encoding.Latin1.GetString(bytes, 10, headerLength);
        string expected = typeof(T) == typeof(float) ? "<f4" : "<i8";
        if (!header.Contains(expected, StringComparison.Ordinal) || header.Contains("'fortran_order': True", StringComparison.Ordinal))
            throw new InvalidDataException($"{array} is not a C-ordered array of {expected}: {header}");
        return MemoryMarshal.Cast<byte, T>(bytes.AsSpan(10 + headerLength)).ToArray();
    }
}
