using System;
using System.IO;
using System.Text;
using System.Threading;

namespace ModelCompression.Build.State;

/// <summary>Replaces files in one step, so that a reader or a killed build never sees half of one.</summary>
internal static class AtomicFile
{
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false);

    /// <summary>Ending of files that are being written; left-overs of killed builds are recognised by it.</summary>
    public const string TemporarySuffix = ".tmp";

    /// <summary>
    /// Reads a text that <see cref="WriteText"/> wrote, without the buffers of a stream reader: there is a file per model. What has no length has no text: such are pipes
    /// and devices too, and whoever opens a pipe waits for ever.
    /// </summary>
    public static string ReadText(string path) => new FileInfo(path).Length == 0 ? "" : Utf8.GetString(File.ReadAllBytes(path));

    public static void WriteText(string path, string text)
    {
        var temporary = TemporaryName(path);
        File.WriteAllText(temporary, text, Utf8);
        Replace(temporary, path);
    }

    /// <summary>Copies the content, never the attributes: a read-only source must not make a read-only result.</summary>
    public static void Copy(string source, string destination)
    {
        var temporary = TemporaryName(destination);
        using (var input = new FileStream(source, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete))
        using (var output = new FileStream(temporary, FileMode.Create, FileAccess.Write, FileShare.None))
            input.CopyTo(output, 1 << 20);
        Replace(temporary, destination);
    }

    /// <summary>A name of its own for each writer: two builds may write the same file.</summary>
    private static string TemporaryName(string path) => path + "." + Guid.NewGuid().ToString("N").Substring(0, 6) + TemporarySuffix;

    /// <summary>Moves a finished file over another. Virus scanners hold new files for a moment on Windows, hence the retries.</summary>
    private static void Replace(string temporary, string path)
    {
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                if (File.Exists(path)) File.Replace(temporary, path, null);
                else File.Move(temporary, path);
                return;
            }
            catch (IOException) when (attempt < 3)
            {
                Thread.Sleep(50 << attempt);
            }
        }
    }
}
