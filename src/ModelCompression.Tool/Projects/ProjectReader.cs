using System.Runtime.CompilerServices;
using Microsoft.Build.Evaluation;
using Microsoft.Build.Execution;
using Microsoft.Build.Framework;
using ModelCompression.Build.Items;
using ModelCompression.Build.Worker;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Tool.Protocol;

namespace ModelCompression.Tool.Projects;

/// <summary>What a project asks for, read as its build reads it.</summary>
/// <param name="Request">The request that the build task would write, for all models.</param>
/// <param name="Problems">Items that cannot be worked on.</param>
internal sealed record ProjectModels(BuildRequest Request, IReadOnlyList<Diagnostic> Problems);

/// <summary>
/// Evaluates a project with the MSBuild of the installed SDK, runs the targets that give models their destinations (and those of the user that make models), and turns the
/// items into a request with the code of the build task. To be called only after <see cref="SdkLocator.Register"/>.
/// </summary>
internal static class ProjectReader
{
    private const string ResolvingTarget = "ResolveCompressedModels";

    /// <summary>Reads a project.</summary>
    /// <param name="projectFile">Full path of the project.</param>
    /// <param name="properties">Global properties, such as <c>Configuration</c>.</param>
    /// <param name="outputFolder">Full path of the folder for results; null for the one of the build.</param>
    /// <param name="report">Takes errors and warnings of the evaluation.</param>
    /// <exception cref="DiagnosticException">MCB1056, MCB1057: the project cannot be evaluated, or does not use the package.</exception>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static ProjectModels Read(string projectFile, IDictionary<string, string> properties, string? outputFolder, Action<Diagnostic> report)
    {
        using var projects = new ProjectCollection(properties);
        var instance = Evaluate(projects, projectFile);
        if (!instance.Targets.ContainsKey(ResolvingTarget))
            throw new DiagnosticException(Diagnostic.Error("MCB1057", "The project does not use the package ModelCompression.Build, or is not restored. Run 'dotnet restore', or add the PackageReference.") with { File = projectFile });
        string[] targets = instance.GetPropertyValue("CompressModelsDependsOn").Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        if (!instance.Build(targets, [new DiagnosticLogger(report)]))
            throw new DiagnosticException(Diagnostic.Error("MCB1056", $"The targets {string.Join(", ", targets)} failed, which run before models are compressed. Build the project to see more.") with { File = projectFile });
        return ToRequest(instance, projectFile, outputFolder ?? instance.GetPropertyValue("_ModelCompressionOutputDirectory"));
    }

    private static ProjectInstance Evaluate(ProjectCollection projects, string projectFile)
    {
        try
        {
            return projects.LoadProject(projectFile).CreateProjectInstance();
        }
        catch (Microsoft.Build.Exceptions.InvalidProjectFileException e)
        {
            throw new DiagnosticException(Diagnostic.Error("MCB1056", $"The project cannot be evaluated: {e.BaseMessage}") with { File = e.ProjectFile, Line = e.LineNumber, Column = e.ColumnNumber }, e);
        }
    }

    private static ProjectModels ToRequest(ProjectInstance project, string projectFile, string outputFolder)
    {
        string folder = Path.GetDirectoryName(projectFile)!;
        var locations = new ProjectLocations();
        var rules = ModelItemReader.ReadRules([.. project.GetItems("_RuleWithOrigin").Cast<ITaskItem>()]);
        var models = new ModelItemReader(folder, outputFolder).ReadModels([.. project.GetItems("_ModelToCompress").Cast<ITaskItem>()], rules);
        var problems = models.Where(m => m.Problem is not null).Select(m => Problem(m, locations)).ToList();
        models.RemoveAll(m => m.Problem is not null);
        string? lockFile = Property("ModelCompressionLockFile");
        var request = new WorkerRequest
        {
            ProjectFile = projectFile,
            ProjectDirectory = folder,
            Threads = int.TryParse(Property("ModelCompressionMaxCpuCount"), out int threads) && threads > 0 ? threads : Environment.ProcessorCount,
            Reports = [.. ReportNames(Property("ModelCompressionReports") ?? "")],
            CachePath = Property("ModelCompressionCachePath"),
            LockFile = lockFile is null ? null : Path.GetFullPath(Path.Combine(folder, lockFile)),
            LockedMode = "true".Equals(Property("ModelCompressionLockedMode"), StringComparison.OrdinalIgnoreCase),
            Targets = models.ConvertAll(m => m.TargetPath),
            Models = models,
        };
        return new(RequestReader.Read(request.ToJson(locations)), problems);

        string? Property(string name) => project.GetPropertyValue(name).Trim() is { Length: > 0 } value ? value : null;
    }

    private static Diagnostic Problem(ModelItem model, ProjectLocations locations)
    {
        var (line, column) = locations.Find(model.DefiningFile, "CompressModel", model.Spec);
        return Diagnostic.Error(model.Problem!.Code, model.Problem.Message) with { File = model.DefiningFile, Line = line, Column = column };
    }

    private static IEnumerable<string> ReportNames(string reports) =>
        ModelReport.Formats.Where(format => reports.Split([';', ','], StringSplitOptions.TrimEntries).Contains(format, StringComparer.OrdinalIgnoreCase));

    /// <summary>Passes on what MSBuild says.</summary>
    private sealed class DiagnosticLogger(Action<Diagnostic> report) : ILogger
    {
        public LoggerVerbosity Verbosity { get; set; } = LoggerVerbosity.Quiet;

        public string? Parameters { get; set; }

        public void Shutdown()
        {
            // Nothing is held.
        }

        public void Initialize(IEventSource eventSource)
        {
            eventSource.ErrorRaised += (_, e) => report(Diagnostic.Error(e.Code ?? "MSB", e.Message ?? "") with { File = e.File, Line = e.LineNumber, Column = e.ColumnNumber });
            eventSource.WarningRaised += (_, e) => report(Diagnostic.Warning(e.Code ?? "MSB", e.Message ?? "") with { File = e.File, Line = e.LineNumber, Column = e.ColumnNumber });
        }
    }
}
