using System.Text;

namespace ModelCompression.Onnx.Serialization.Reading;

/// <summary>Recognizes what people hand in instead of an ONNX model, so that the error can say what to do.</summary>
internal static class ForeignFormat
{
    private static readonly (int Offset, byte[] Mark, string Description)[] Marks =
    [
        (0, "version https://git-lfs"u8.ToArray(), "a Git LFS pointer. Run 'git lfs pull' to fetch the model itself."),
        (0, "PK\x03\x04"u8.ToArray(), "a zip archive (perhaps a PyTorch checkpoint). Unpack it, or export the model to ONNX."),
        (0, [0x1F, 0x8B], "gzip data. Unpack it first."),
        (0, [0x89, (byte)'P', (byte)'N', (byte)'G'], "a PNG picture. Give the path of a .onnx file."),
        (0, [0x89, (byte)'H', (byte)'D', (byte)'F'], "an HDF5 file (perhaps Keras). Export the model to ONNX."),
        (0, "%PDF"u8.ToArray(), "a PDF document. Give the path of a .onnx file."),
        (4, "TFL3"u8.ToArray(), "a TensorFlow Lite model. Convert it to ONNX first."),
        (4, "ORTM"u8.ToArray(), "a model in ONNX Runtime's own format. Give the .onnx file it was made of."),
        (0, "GGUF"u8.ToArray(), "a GGUF model. Export the model to ONNX."),
        (8, "{\""u8.ToArray(), "a safetensors file. Export the model to ONNX."),
    ];

    /// <summary>What the bytes are and what to do, or null when they may be ONNX.</summary>
    public static unsafe string? Recognize(ByteSource source)
    {
        var head = new ReadOnlySpan<byte>(source.Start, (int)Math.Min(source.Length, 256));
        foreach (var (offset, mark, description) in Marks)
            if (head.Length >= offset + mark.Length && head[offset..].StartsWith(mark)) return description;
        return IsText(head) ? "a text file. Give the path of a .onnx file." : null;
    }

    /// <summary>Text has no control characters but white space; every model has some within its first bytes (field numbers are below 32).</summary>
    private static bool IsText(ReadOnlySpan<byte> head)
    {
        foreach (byte at in head)
            if (at < 0x20 && at is not ((byte)'\t' or (byte)'\n' or (byte)'\r' or 0x0C)) return false;
        return !Encoding.UTF8.GetString(head).Contains('\uFFFD', StringComparison.Ordinal) || head.Length == 256;
    }
}
