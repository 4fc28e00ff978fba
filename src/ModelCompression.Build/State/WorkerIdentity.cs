using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Security.Cryptography;
using System.Text;

namespace ModelCompression.Build.State;

/// <summary>
/// A hash of the worker's assemblies: another build of the tool under the same version must not reuse old results.
/// The hash is remembered with the assemblies' lengths and times, so that an unchanged worker is not read.
/// </summary>
internal static class WorkerIdentity
{
    /// <summary>Name of the file in the output directory that remembers the hash.</summary>
    public const string FileName = "worker.state";

    /// <summary>The hash; empty when there is no worker.</summary>
    /// <param name="workerPath">The worker's main file.</param>
    /// <param name="outputDirectory">Where the hash is remembered.</param>
    /// <param name="remember">False to leave the disk as it is.</param>
    public static string Compute(string workerPath, string outputDirectory, bool remember)
    {
        if (workerPath.Length == 0 || !File.Exists(workerPath)) return "";
        var files = Files(workerPath);
        var listing = Listing(files);
        var rememberedPath = Path.Combine(outputDirectory, FileName);
        if (File.Exists(rememberedPath))
        {
            var remembered = AtomicFile.ReadText(rememberedPath);
            if (remembered.StartsWith(listing, StringComparison.Ordinal) && remembered.Length == listing.Length + 64) return remembered.Substring(listing.Length);
        }
        var hash = Hash(files);
        if (remember)
        {
            Directory.CreateDirectory(outputDirectory);
            AtomicFile.WriteText(rememberedPath, listing + hash);
        }
        return hash;
    }

    private static List<string> Files(string workerPath)
    {
        var files = new List<string>(Directory.GetFiles(Path.GetDirectoryName(workerPath)!, "*.dll"));
        if (!files.Contains(workerPath)) files.Add(workerPath);
        files.Sort(StringComparer.Ordinal);
        return files;
    }

    private static string Listing(List<string> files)
    {
        var text = new StringBuilder();
        foreach (var file in files)
        {
            var stamp = FileStamp.Of(file);
            StateText.AppendLine(text, Path.GetFileName(file), stamp.ByteLength.ToString(CultureInfo.InvariantCulture), stamp.Ticks.ToString(CultureInfo.InvariantCulture));
        }
        return text.ToString();
    }

    private static string Hash(List<string> files)
    {
        var text = new StringBuilder();
        foreach (var file in files) text.Append(Path.GetFileName(file)).Append(' ').Append(FileStamp.Sha256(file)).Append('\n');
        using var algorithm = SHA256.Create();
        return FileStamp.Hex(algorithm.ComputeHash(Encoding.UTF8.GetBytes(text.ToString())));
    }
}
