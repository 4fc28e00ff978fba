using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Serialization;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Pipeline;
using ModelCompression.Reports;
using ModelCompression.Tool.CommandLine;
using ModelCompression.Tool.Display;
using ModelCompression.Tool.Projects;
using ModelCompression.Tool.Protocol;

namespace ModelCompression.Tool.Commands;

/// <summary><c>project APP.csproj</c>: what a build of the project would do with its models, without a build.</summary>
internal static class ProjectCommand
{
    public static Command Create()
    {
        var file = new Argument<string>("PROJECT") { Description = "A project file, or a folder with one." }.NotEmpty();
        var output = new Option<string?>("--output", "-o") { Description = "Where results go. Default: obj/modelcompress in the project's folder." }.NotEmpty();
        var properties = new Option<string[]>("--property", "-p") { Description = "A property for the evaluation, as name=value; may be repeated.", DefaultValueFactory = _ => [] };
        var threads = new Option<int?>("--threads") { Description = "Most threads to use. Default: ModelCompressionMaxCpuCount, or all." }.AtLeastOne();
        var json = new Option<bool>("--json") { Description = "Print JSON." };
        var command = new Command("project", "Compresses the CompressModel items of a project as its build would, byte for byte, without a build.") { file, output, properties, threads, json };
        command.SetWork((parsed, cancellation) =>
        {
            string project = Find(Path.GetFullPath(parsed.GetValue(file)!));
            string folder = Path.GetDirectoryName(project)!;
            if (Parse(parsed.GetValue(properties)!) is not { } values) return ExitCodes.WrongUsage;
            SdkLocator.Register(folder);
            string results = Path.GetFullPath(parsed.GetValue(output) ?? Path.Combine(folder, "obj", "modelcompress"));
            var models = ProjectReader.Read(project, values, results, DiagnosticPrinter.Print);
            foreach (var problem in models.Problems) DiagnosticPrinter.Print(problem);
            var request = parsed.GetValue(threads) is { } count ? models.Request with { Threads = count } : models.Request;
            var answers = Run(request, cancellation);
            IndexPage.Update(request);
            Show(answers, results, parsed.GetValue(json));
            return models.Problems.Count == 0 && answers.All(a => a.Status != "failed") ? ExitCodes.Success : ExitCodes.Failed;
        });
        return command;
    }

    private static List<AnsweredModel> Run(BuildRequest request, CancellationToken cancellation)
    {
        using var engine = new BuildEngine(request);
        var answers = new List<AnsweredModel>();
        foreach (var model in request.Models)
        {
            var said = new List<Diagnostic>();
            var outcome = ProgressDisplay.Run(model.Identity, progress => engine.Compress(EngineRequest.From(model, request) with { Progress = progress }, said.Add, cancellation));
            foreach (var diagnostic in said) DiagnosticPrinter.Print(diagnostic.File is null ? diagnostic with { File = model.DefiningFile, Line = model.Line, Column = model.Column } : diagnostic);
            answers.Add(outcome.Status == CompressionStatus.Failed
                ? new AnsweredModel { Identity = model.Identity, Output = model.Output, Status = "failed" }
                : EngineRequest.Answer(model, outcome));
        }

        return answers;
    }

    private static void Show(List<AnsweredModel> answers, string folder, bool json)
    {
        if (json)
        {
            Console.Out.WriteLine(JsonSerializer.Serialize([.. answers.Select(a => new ProjectResult(a.Identity, a.Status, a.Output, a.OriginalBytes, a.CompressedBytes, a.Sha256, a.Reports))], ProjectJson.Readable.ProjectResultArray));
            return;
        }

        foreach (var answer in answers) Console.Out.WriteLine(answer.Status == "failed" ? $"{answer.Identity}: failed" : answer.Summary);
        Console.Out.WriteLine(answers.Count == 0 ? "The project has no models to compress." : $"Results are in {folder}");
    }

    /// <summary>The project in a folder, or the file itself.</summary>
    private static string Find(string path)
    {
        if (File.Exists(path)) return path;
        string[] projects = Directory.Exists(path) ? Directory.GetFiles(path, "*.*proj") : [];
        return projects.Length == 1 ? projects[0]
            : throw new DiagnosticException(Diagnostic.Error("MCB1056", projects.Length == 0 ? "There is no such project. Correct the path." : "The folder has several projects; name one of them.") with { File = path });
    }

    private static Dictionary<string, string>? Parse(string[] properties)
    {
        var values = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (string property in properties)
        {
            int equals = property.IndexOf('=', StringComparison.Ordinal);
            if (equals > 0)
            {
                values[property[..equals].Trim()] = property[(equals + 1)..];
                continue;
            }

            DiagnosticPrinter.Print(Diagnostic.Error("MCB1009", $"--property is '{property}'; expected name=value."));
            return null;
        }

        return values;
    }
}

/// <summary>One model of a project, as JSON.</summary>
internal sealed record ProjectResult(string Model, string Status, string Output, long OriginalBytes, long CompressedBytes, string Sha256, IReadOnlyList<string> Reports);

/// <summary>Generated serialization.</summary>
[JsonSerializable(typeof(ProjectResult[]))]
internal sealed partial class ProjectJson : JsonSerializerContext
{
    /// <summary>For people and programs.</summary>
    public static ProjectJson Readable { get; } = new(JsonReport.Format());
}
