using System.Security.Cryptography;
using System.Text;

namespace ModelCompression.Pipeline.Caching;

/// <summary>A file of a cached result.</summary>
/// <param name="Path">Its role: <c>report.json</c>, <c>output/…</c>.</param>
/// <param name="Sha256">Its address in the content store, lower-case hex.</param>
/// <param name="ByteLength">Its length.</param>
internal sealed record CachedFile(string Path, string Sha256, long ByteLength);

/// <summary>
/// What is stored under a key: the files of a result by their digests, and what was said to the user. Its bytes are an <c>ActionResult</c> of the Remote Execution API
/// (build.bazel.remote.execution.v2), because caches such as bazel-remote check entries and refuse anything else; what belongs to us is in <c>stdout_raw</c>.
/// </summary>
internal sealed record CacheEntry(IReadOnlyList<CachedFile> Files, string Notes)
{
    private const int OutputFilesField = 2, StandardOutputField = 5, PathField = 1, DigestField = 2, HashField = 1, LengthField = 2;

    /// <summary>The entry's bytes; they end with a digest of the rest.</summary>
    public byte[] Serialize()
    {
        var message = new WireWriter();
        foreach (var file in Files)
        {
            var digest = new WireWriter().Text(HashField, file.Sha256).Number(LengthField, file.ByteLength);
            message.Bytes(OutputFilesField, new WireWriter().Text(PathField, file.Path).Bytes(DigestField, digest.ToArray()).ToArray());
        }

        string check = Check(Files, Notes);
        return message.Text(StandardOutputField, check + "\n" + Notes).ToArray();
    }

    /// <summary>Reads an entry; null when it is damaged or of another kind.</summary>
    public static CacheEntry? Parse(ReadOnlySpan<byte> bytes)
    {
        try
        {
            var files = new List<CachedFile>();
            string text = "";
            for (var reader = new WireSpan(bytes); reader.Next();)
            {
                if (reader.Field == OutputFilesField) files.Add(File(reader.Bytes));
                else if (reader.Field == StandardOutputField) text = Encoding.UTF8.GetString(reader.Bytes);
            }

            int end = text.IndexOf('\n', StringComparison.Ordinal);
            if (end < 0) return null;
            var entry = new CacheEntry(files, text[(end + 1)..]);
            return text[..end] == Check(entry.Files, entry.Notes) ? entry : null;
        }
        catch (FormatException)
        {
            return null;
        }
    }

    private static CachedFile File(ReadOnlySpan<byte> bytes)
    {
        string path = "", hash = "";
        long length = 0;
        for (var reader = new WireSpan(bytes); reader.Next();)
        {
            if (reader.Field == PathField) path = Encoding.UTF8.GetString(reader.Bytes);
            if (reader.Field != DigestField) continue;
            for (var digest = new WireSpan(reader.Bytes); digest.Next();)
            {
                if (digest.Field == HashField) hash = Encoding.UTF8.GetString(digest.Bytes);
                if (digest.Field == LengthField) length = digest.Number;
            }
        }

        return new(path, hash, length);
    }

    private static string Check(IReadOnlyList<CachedFile> files, string notes)
    {
        var text = new StringBuilder("modelcompression entry 1\n");
        foreach (var file in files) text.Append(System.Globalization.CultureInfo.InvariantCulture, $"{file.Sha256} {file.ByteLength} {file.Path}\n");
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text.Append(notes).ToString())));
    }
}
