using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using Microsoft.Build.Framework;
using Microsoft.Build.Utilities;
using ModelCompression.Build.Diagnostics;
using ModelCompression.Build.Items;
using ModelCompression.Build.State;

namespace ModelCompression.Build.Worker;

/// <summary>
/// Runs the worker on a list of models: once, or again with the rest after a model made it crash, so that one model cannot keep the others
/// from finishing.
/// </summary>
internal sealed class WorkerRun(ITask task, TaskLoggingHelper log, DiagnosticLog diagnostics, ProjectLocations locations, Cancellation cancellation)
{
    private WorkerProcess? _process;
    private string? _native;

    public IReadOnlyList<string> Host { get; set; } = [];

    public string Worker { get; set; } = "";

    /// <summary>True for the worker of the package, whose platforms are known.</summary>
    public bool IsOwnWorker { get; set; }

    /// <summary>Whether the package's native program may do the work: <c>true</c>, <c>false</c>, or empty for true.</summary>
    public string? NativeWorker { get; set; }

    public string? MaxCpuCount { get; set; }

    public WorkerRequest Request { get; set; } = new();

    /// <summary>True once a model failed, or the worker as a whole.</summary>
    public bool Failed { get; private set; }

    /// <summary>Called from another thread.</summary>
    public void Cancel() => _process?.Cancel();

    /// <summary>Compresses the models; what fails is logged as an error.</summary>
    /// <param name="models">The models, whose outputs are locked.</param>
    /// <param name="outputDirectory">Where the request is put.</param>
    /// <param name="finished">Called for each model that has a result, with its input files as they were before.</param>
    public void Compress(List<ModelItem> models, string outputDirectory, Action<ModelItem, List<InputRecord>, WorkerResult> finished)
    {
        var host = FindHost();
        if (!CanRun(host) || !TryParseCpuCount(out var requestedCores) || !TryFindNative()) return;
        var inputs = new Dictionary<ModelItem, List<InputRecord>>();
        foreach (var model in models) inputs.Add(model, ResultState.Inputs(model, Request.ProjectDirectory));
        Sweep(models);
        try
        {
            Request.Threads = CoreGrant.Request(task.BuildEngine, requestedCores);
            Request.ParentProcessId = Process.GetCurrentProcess().Id;
            var open = new List<ModelItem>(models);
            while (open.Count > 0 && RunOnce(host, open, outputDirectory, (model, result) => finished(model, inputs[model], result)))
            {
            }
        }
        finally
        {
            Sweep(models);
        }
    }

    /// <summary>Writes the page with all models of the project.</summary>
    /// <param name="outputDirectory">Where it is, and the request is put.</param>
    public void WritePage(string outputDirectory)
    {
        var host = FindHost();
        if (!CanRun(host) || !TryFindNative()) return;
        Request.Threads = 1;
        Request.ParentProcessId = Process.GetCurrentProcess().Id;
        RunOnce(host, [], outputDirectory, (_, _) => { });
    }

    /// <summary>One process. Removes from <paramref name="open"/> what is settled; true when the rest is worth another run.</summary>
    private bool RunOnce(string? host, List<ModelItem> open, string outputDirectory, Action<ModelItem, WorkerResult> finished)
    {
        var name = Path.Combine(outputDirectory, "request." + Guid.NewGuid().ToString("N").Substring(0, 8));
        var requestFile = name + ".json";
        Request.ResponseFile = name + ".response.json";
        Request.Models = open;
        var keep = false;
        try
        {
            AtomicFile.WriteText(requestFile, Request.ToJson(locations));
            var process = Start(host, requestFile);
            if (_native is not null && !HasStarted(process))
            {
                var reason = process.Refusal ?? "exit code " + process.ExitCode.ToString(CultureInfo.InvariantCulture);
                log.LogMessage(MessageImportance.Normal, "The native worker does not run on this machine ({0}); the portable one does its work: {1}", reason, _native);
                NativeProgram.Forget(_native);
                _native = null;
                process = Start(host, requestFile);
            }

            var again = Settle(process, open, finished);
            keep = Failed |= log.HasLoggedErrors || process.ReportedError;
            return again;
        }
        finally
        {
            File.Delete(Request.ResponseFile);
            if (keep) log.LogMessage(MessageImportance.Low, "The request is kept for a repetition by hand: {0}", requestFile);
            else File.Delete(requestFile);
        }
    }

    private WorkerProcess Start(string? host, string requestFile)
    {
        var process = new WorkerProcess(task.BuildEngine, _native is null ? host : null, _native ?? Worker, requestFile, Request.ProjectDirectory) { HostObject = task.HostObject, MayBeRefused = _native is not null };
        _process = process;
        cancellation.ThrowIfRequested();
        process.Execute();
        cancellation.ThrowIfRequested();
        return process;
    }

    /// <summary>False if a program ended before it did anything: the system's loader or its own first look at the processor made it stop.</summary>
    private bool HasStarted(WorkerProcess process) => process.ReportedError || File.Exists(Request.ResponseFile) || (Request.Models.Count == 0 && process.ExitCode == 0);

    private bool TryFindNative()
    {
        _native = null;
        var wanted = string.IsNullOrWhiteSpace(NativeWorker) ? "true" : NativeWorker!.Trim();
        if (wanted.Equals("false", StringComparison.OrdinalIgnoreCase)) return true;
        if (wanted.Equals("true", StringComparison.OrdinalIgnoreCase))
        {
            if (IsOwnWorker) _native = NativeProgram.Find(Worker);
            return true;
        }

        diagnostics.Error(BuildDiagnostics.InvalidPropertyCode, Request.ProjectFile, 0, 0, BuildDiagnostics.InvalidProperty("ModelCompressionNativeWorker", NativeWorker!, "true or false"));
        return false;
    }

    private bool Settle(WorkerProcess process, List<ModelItem> open, Action<ModelItem, WorkerResult> finished)
    {
        if (open.Count == 0) return false;
        WorkerResponse response;
        try
        {
            response = WorkerResponse.Read(Request.ResponseFile);
        }
        catch (FormatException e)
        {
            if (!process.ReportedError)
            {
                var (code, message) = HowItEnded(process, open[0], BuildDiagnostics.BadResponseCode, BuildDiagnostics.BadResponse(Reason(e, process)));
                diagnostics.Error(code, Request.ProjectFile, 0, 0, message);
            }

            return false;
        }
        var failedBefore = process.ReportedError;
        foreach (var model in open.ToArray())
        {
            if (!response.Models.TryGetValue(model.Identity, out var result)) continue;
            open.Remove(model);
            if (result.Succeeded && File.Exists(model.OutputPath)) finished(model, result);
            else if (result.Succeeded || !failedBefore) ReportNoResult(model, "it reported no error for a model without a result");
        }
        if (open.Count == 0) return false;
        var crashed = open.Find(model => model.Identity == response.Running);
        if (crashed is null)
        {
            if (!process.ReportedError) ReportNoResult(open[0], Reason(null, process));
            return false;
        }
        var (crashCode, crashMessage) = HowItEnded(process, crashed, BuildDiagnostics.WorkerCrashedCode, BuildDiagnostics.WorkerCrashed(crashed.Identity, process.ExitCode));
        Report(crashed, crashCode, crashMessage);
        open.Remove(crashed);
        return open.Count > 0;
    }

    /// <summary>A lack of memory, if that is what it looks like; else what is given.</summary>
    private static (string Code, string Message) HowItEnded(WorkerProcess process, ModelItem model, string code, string message) =>
        process.LackedMemory ? (BuildDiagnostics.OutOfMemoryCode, BuildDiagnostics.OutOfMemory(model.Identity, process.ExitCode)) : (code, message);

    private static string Reason(FormatException? e, WorkerProcess process) =>
        (e?.Message ?? "not every model was answered") + ", exit code " + process.ExitCode.ToString(CultureInfo.InvariantCulture);

    private void ReportNoResult(ModelItem model, string reason) => Report(model, BuildDiagnostics.BadResponseCode, BuildDiagnostics.BadResponse("'" + model.Identity + "': " + reason));

    private void Report(ModelItem model, string code, string message)
    {
        var (line, column) = locations.Find(model.DefiningFile, "CompressModel", model.Spec);
        diagnostics.Error(code, model.DefiningFile, line, column, message);
    }

    private string? FindHost() => IsManaged(Worker) ? DotNetHost.Find([.. Host]) : null;

    private bool CanRun(string? host)
    {
        string? problem = null;
        var code = "";
        if (!File.Exists(Worker)) (code, problem) = (BuildDiagnostics.NoWorkerCode, BuildDiagnostics.NoWorker(Worker));
        else if (IsManaged(Worker) && host is null) (code, problem) = (BuildDiagnostics.NoDotNetHostCode, BuildDiagnostics.NoDotNetHost(Tried()));
        else if (IsOwnWorker && RuntimePlatform.MissingOn(RuntimePlatform.Current(), Path.GetDirectoryName(Worker)!) is { } supported)
            (code, problem) = (BuildDiagnostics.UnsupportedPlatformCode, BuildDiagnostics.UnsupportedPlatform(RuntimePlatform.Current(), supported));
        if (problem is null) return true;
        diagnostics.Error(code, Request.ProjectFile, 0, 0, problem);
        return false;
    }

    private string Tried()
    {
        var tried = string.Join("' or '", new List<string>(Host).FindAll(candidate => candidate.Length > 0));
        return tried.Length == 0 ? "" : " at '" + tried + "'";
    }

    private bool TryParseCpuCount(out int count)
    {
        count = 0;
        if (string.IsNullOrWhiteSpace(MaxCpuCount)) return true;
        if (int.TryParse(MaxCpuCount, NumberStyles.None, CultureInfo.InvariantCulture, out count) && count > 0) return true;
        diagnostics.Error(BuildDiagnostics.InvalidPropertyCode, Request.ProjectFile, 0, 0, BuildDiagnostics.InvalidProperty("ModelCompressionMaxCpuCount", MaxCpuCount!, "a whole number of threads, at least 1"));
        return false;
    }

    /// <summary>Deletes what killed workers left behind. Safe because the outputs are locked: nobody else writes beside them.</summary>
    private static void Sweep(List<ModelItem> models)
    {
        foreach (var model in models)
        {
            var folder = Path.GetDirectoryName(model.OutputPath)!;
            if (!Directory.Exists(folder)) continue;
            var prefix = Path.GetFileName(model.OutputPath) + ".";
            foreach (var file in Directory.GetFiles(folder, "*" + AtomicFile.TemporarySuffix))
                if (Path.GetFileName(file).StartsWith(prefix, StringComparison.Ordinal)) File.Delete(file);
            if (Directory.Exists(model.OutputPath + ".staging")) Directory.Delete(model.OutputPath + ".staging", recursive: true);
        }
    }

    private static bool IsManaged(string worker) => worker.EndsWith(".dll", StringComparison.OrdinalIgnoreCase);
}
