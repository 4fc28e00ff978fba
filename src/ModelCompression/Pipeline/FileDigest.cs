using System.IO.Compression;
using System.Security.Cryptography;
using ModelCompression.Onnx.Serialization;

namespace ModelCompression.Pipeline;

/// <summary>Digests of files, streamed.</summary>
internal static class FileDigest
{
    private const int BufferByteLength = 1 << 20;
    private const long WholeByteLength = 32 << 20;
    private const int BlockByteLength = 1 << 20;
    private const int SampledByteLength = 1 << 17;
    private const int SampledBlocks = 32;

    /// <summary>Bytes given to gzip at once: it runs beside the opening of the model, where memory peaks.</summary>
    private const int CompressedByteLength = 1 << 16;

    /// <summary>SHA-256 in lower-case hexadecimal.</summary>
    /// <exception cref="IOException">It cannot be read, or is no file.</exception>
    public static string Sha256(string path)
    {
        FileKind.Require(path);
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, 1, FileOptions.SequentialScan);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] buffer = new byte[BufferByteLength];
        for (int read; (read = stream.Read(buffer)) > 0;) hash.AppendData(buffer.AsSpan(0, read));
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>
    /// Bytes of the files after gzip, deterministic for any number of threads: blocks of 1 MiB are members of their own. Files of one block take zlib's level 6; larger
    /// ones are mostly weights, in which there is nothing to repeat but runs of zeros: their blocks use the run-length strategy, four times as fast for the same bytes.
    /// Above 32 MiB, 32 blocks of 128 KiB at even distances are compressed and the sum scaled up: the rest would take a third of the whole run's time to confirm it.
    /// </summary>
    public static long GzipByteLength(IReadOnlyList<string> paths, int threads)
    {
        long fileByteLength = paths.Sum(p => new FileInfo(p).Length);
        int block = fileByteLength > WholeByteLength ? SampledByteLength : BlockByteLength;
        var parts = paths.SelectMany(p => Enumerable.Range(0, (int)((new FileInfo(p).Length + block - 1) / block)).Select(i => (Path: p, Offset: (long)i * block))).ToArray();
        if (fileByteLength > WholeByteLength) parts = [.. Enumerable.Range(0, SampledBlocks).Select(i => parts[(long)i * parts.Length / SampledBlocks])];
        long sampledByteLength = parts.Sum(p => Math.Min(block, new FileInfo(p.Path).Length - p.Offset));
        var options = new ZLibCompressionOptions { CompressionLevel = 6, CompressionStrategy = parts.Length == 1 ? ZLibCompressionStrategy.Default : ZLibCompressionStrategy.RunLengthEncoding };
        long total = 0;
        Parallel.For(0, parts.Length, new ParallelOptions { MaxDegreeOfParallelism = threads }, i => Interlocked.Add(ref total, Compress(parts[i].Path, parts[i].Offset, block, options)));
        return sampledByteLength == fileByteLength ? total : (long)Math.Round((double)total * fileByteLength / sampledByteLength);
    }

    private static long Compress(string path, long offset, int length, ZLibCompressionOptions options)
    {
        using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        byte[] buffer = new byte[CompressedByteLength];
        using var sink = new CountingStream();
        using (var gzip = new GZipStream(sink, options, leaveOpen: true))
        {
            for (int done = 0, read; done < length && (read = RandomAccess.Read(file, buffer.AsSpan(0, Math.Min(buffer.Length, length - done)), offset + done)) > 0; done += read)
                gzip.Write(buffer, 0, read);
        }

        return sink.Position;
    }
}
