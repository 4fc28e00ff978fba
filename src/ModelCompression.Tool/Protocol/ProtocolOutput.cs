using System.Text;
using ModelCompression.Onnx.Diagnostics;

namespace ModelCompression.Tool.Protocol;

/// <summary>
/// Standard output as a build reads it: diagnostics in canonical form, summaries as they are, details indented. A reader that went away
/// is not an error of this process but a reason to stop.
/// </summary>
/// <param name="stream">Where to write, in UTF-8 without byte order mark.</param>
/// <param name="readerGone">Called once when nobody reads any more.</param>
internal sealed class ProtocolOutput(Stream stream, Action readerGone)
{
    private readonly Lock _gate = new();
    private bool _gone;

    /// <summary>Writes a diagnostic about <paramref name="model"/>.</summary>
    /// <returns>The line.</returns>
    public string Write(Diagnostic diagnostic, RequestedModel model)
    {
        bool ownPlace = diagnostic.File is not null;
        string line = Canonical(diagnostic, diagnostic.File ?? model.DefiningFile, ownPlace ? diagnostic.Line : model.Line, ownPlace ? diagnostic.Column : model.Column).ReplaceLineEndings(" ");
        WriteLine(line);
        return line;
    }

    /// <summary>Writes a line.</summary>
    public void WriteLine(string line)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(line.ReplaceLineEndings(" ") + "\n");
        lock (_gate)
        {
            if (_gone) return;
            try
            {
                stream.Write(bytes);
                stream.Flush();
            }
            catch (IOException)
            {
                _gone = true;
                readerGone();
            }
        }
    }

    /// <summary><c>file(line,column): error MCBnnnn: text</c>.</summary>
    public static string Canonical(Diagnostic diagnostic, string file, int line, int column)
    {
        string place = line <= 0 ? file : column <= 0 ? FormattableString.Invariant($"{file}({line})") : FormattableString.Invariant($"{file}({line},{column})");
        string severity = diagnostic.Severity switch
        {
            DiagnosticSeverity.Error => "error",
            DiagnosticSeverity.Warning => "warning",
            _ => "message",
        };
        return $"{(place.Length == 0 ? "" : place + ": ")}{severity} {diagnostic.Code}: {diagnostic.Message}";
    }
}
