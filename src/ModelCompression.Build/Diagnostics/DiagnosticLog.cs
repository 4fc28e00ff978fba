using System;
using System.IO;
using Microsoft.Build.Framework;
using Microsoft.Build.Utilities;

namespace ModelCompression.Build.Diagnostics;

/// <summary>Logs coded diagnostics, each with a link to its page in the package.</summary>
internal sealed class DiagnosticLog(TaskLoggingHelper log)
{
    // Package layout: tasks/netstandard2.0/<this assembly>, docs/diagnostics/<code>.md.
    private static readonly string PageFolder =
        Path.GetFullPath(Path.Combine(Path.GetDirectoryName(typeof(DiagnosticLog).Assembly.Location) ?? ".", "..", "..", "docs", "diagnostics"));

    public void Error(string code, string file, int line, int column, string message) =>
        log.LogError(null, code, null, Page(code), file, line, column, 0, 0, "{0}", message);

    public void Warning(string code, string file, int line, int column, string message) =>
        log.LogWarning(null, code, null, Page(code), file, line, column, 0, 0, "{0}", message);

    public void Note(string code, string file, int line, int column, string message) =>
        log.LogMessage(null, code, null, file, line, column, 0, 0, MessageImportance.Normal, "{0}", message);

    /// <summary>The page as a <c>file:</c> address: it needs no network and belongs to the installed version.</summary>
    private static string? Page(string code)
    {
        var path = Path.Combine(PageFolder, code + ".md");
        return File.Exists(path) ? new Uri(path).AbsoluteUri : null;
    }
}
