using System.Text.Json;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Reports;
using ModelCompression.Reports.Html;
using ModelCompression.Tool.Protocol;

namespace ModelCompression.Tool.Commands;

/// <summary>Writes the page with all models of a project, from the JSON reports of this and earlier builds.</summary>
internal static class IndexPage
{
    private const string JsonSuffix = ".report.json";
    private const string HtmlSuffix = ".report.html";

    /// <summary>Writes or removes the page. A page that cannot be written is no reason to fail a build.</summary>
    public static void Update(BuildRequest request)
    {
        string? root = request.Models.Count > 0 ? Root(request.Models[0]) : request.OutputDirectory is { Length: > 0 } folder ? folder : null;
        if (root is null || (request.Models.Count > 0 && !request.Models[0].Reports.ContainsKey("Html"))) return;
        string page = Path.Combine(root, ProjectIndex.FileName);
        try
        {
            var reports = (request.Targets ?? []).Select(target => (Path: target + HtmlSuffix, Report: Read(Path.Combine(root, target)))).Where(r => r.Report is not null).Select(r => (r.Path, r.Report!)).ToList();
            if (reports.Count < 2)
            {
                File.Delete(page);
                return;
            }

            File.WriteAllBytes(page + ".tmp", ProjectIndex.Serialize(Path.GetFileNameWithoutExtension(request.ProjectFile), reports));
            File.Move(page + ".tmp", page, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Another build of the same project may be writing it.
        }
    }

    /// <summary>The folder that destinations are relative to.</summary>
    private static string? Root(RequestedModel model)
    {
        string target = (model.Target ?? "").Replace('/', Path.DirectorySeparatorChar);
        return target.Length > 0 && model.Output.EndsWith(Path.DirectorySeparatorChar + target, StringComparison.Ordinal) ? model.Output[..^(target.Length + 1)] : null;
    }

    private static CompressionReport? Read(string output)
    {
        if (!File.Exists(output + JsonSuffix) || !File.Exists(output + HtmlSuffix) || FileKind.OtherThanFile(output + JsonSuffix) is not null) return null;
        try
        {
            return JsonReport.Deserialize(File.ReadAllBytes(output + JsonSuffix));
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
