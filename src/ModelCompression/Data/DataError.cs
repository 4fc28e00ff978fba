using ModelCompression.Onnx.Diagnostics;

namespace ModelCompression.Data;

/// <summary>Errors about the user's data (<c>MCB3001</c> to <c>MCB3049</c>); each names the file, what was expected and what was found.</summary>
internal static class DataError
{
    /// <summary>Makes an error about <paramref name="file"/>.</summary>
    public static DiagnosticException Of(string file, string code, string message, Exception? inner = null) =>
        new(Diagnostic.Error(code, message) with { File = file }, inner);

    /// <summary>MCB3003: the file is damaged, cut short or not what its name says.</summary>
    public static DiagnosticException Damaged(string file, string what, Exception? inner = null) =>
        Of(file, "MCB3003", $"The data cannot be read: {what}. {(IsLfsPointer(file) ? "It is a Git LFS pointer: run 'git lfs pull' to fetch the data itself." : "Write or copy the file again.")}", inner);

    /// <summary>A checkout without Git LFS has a small text in the place of the file.</summary>
    private static bool IsLfsPointer(string file)
    {
        var mark = "version https://git-lfs"u8;
        Span<byte> start = stackalloc byte[mark.Length];
        try
        {
            using var stream = File.OpenRead(file);
            return stream.ReadAtLeast(start, start.Length, throwOnEndOfStream: false) == start.Length && start.SequenceEqual(mark);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
