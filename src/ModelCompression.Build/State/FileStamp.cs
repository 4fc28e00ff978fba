using System;
using System.IO;
using System.Security.Cryptography;
using System.Text;

namespace ModelCompression.Build.State;

/// <summary>Length and last write time of a file: equal stamps mean an unchanged file without reading it.</summary>
internal readonly struct FileStamp(long byteLength, long ticks) : IEquatable<FileStamp>
{
    /// <summary>The stamp of a file that does not exist.</summary>
    public static readonly FileStamp Missing = new(-1, 0);

    public long ByteLength { get; } = byteLength;

    /// <summary>Last write time, UTC, in 100 ns.</summary>
    public long Ticks { get; } = ticks;

    public static FileStamp Of(string path)
    {
        var file = new FileInfo(path);
        return file.Exists ? new FileStamp(file.Length, file.LastWriteTimeUtc.Ticks) : Missing;
    }

    /// <summary>SHA-256 of a file in lower-case hex.</summary>
    /// <remarks>Pipes and devices have no length, and are not opened: whoever reads a pipe waits for ever.</remarks>
    public static string Sha256(string path)
    {
        using var algorithm = SHA256.Create();
        if (new FileInfo(path).Length == 0) return Hex(algorithm.ComputeHash([]));
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, 1 << 20, FileOptions.SequentialScan);
        return Hex(algorithm.ComputeHash(stream));
    }

    public static string Hex(byte[] hash)
    {
        var text = new StringBuilder(hash.Length * 2);
        foreach (var b in hash) text.Append(b.ToString("x2"));
        return text.ToString();
    }

    public bool Equals(FileStamp other) => ByteLength == other.ByteLength && Ticks == other.Ticks;

    public override bool Equals(object? obj) => obj is FileStamp other && Equals(other);

    public override int GetHashCode() => ByteLength.GetHashCode() ^ Ticks.GetHashCode();
}
