using System;
using System.Collections.Generic;
using System.IO;
using Microsoft.Build.Framework;
using ModelCompression.Build.Diagnostics;
using ModelCompression.Build.Items;
using ModelCompression.Build.State;
using ModelCompression.Build.Worker;

namespace ModelCompression.Build;

/// <summary>Has the worker compress the stale models, all in one run, and remembers the results.</summary>
[MSBuildMultiThreadableTask]
public sealed class CompressModels : ModelTask, ICancelableTask
{
    private readonly Cancellation _cancellation = new();
    private readonly ProjectLocations _locations = new();
    private string _workerHash = "";
    private WorkerRun? _run;

    /// <summary>The user's own worker.</summary>
    public string? WorkerOverride { get; set; }

    /// <summary>The models to compress: <c>StaleModels</c> of <see cref="FindStaleModels"/>.</summary>
    public ITaskItem[] StaleModels { get; set; } = [];

    /// <summary>True to write the page with all models of the project although none is stale: a model is gone.</summary>
    public bool PageIsOld { get; set; }

    /// <summary>Results of another instance of this project.</summary>
    public ITaskItem[] SharedModels { get; set; } = [];

    /// <summary>Candidates for the .NET host, in order.</summary>
    public string[] DotNetHostCandidates { get; set; } = [];

    /// <summary>Most threads the worker may use; empty = what MSBuild grants.</summary>
    public string? MaxCpuCount { get; set; }

    /// <summary><c>false</c> keeps the package's native program from doing the work where there is one; results are the same.</summary>
    public string? NativeWorker { get; set; }

    /// <summary>Folder or address of the result cache.</summary>
    public string? CachePath { get; set; }

    /// <inheritdoc />
    public void Cancel()
    {
        _cancellation.Request();
        _run?.Cancel();
    }

    /// <inheritdoc />
    public override bool Execute()
    {
        if (!ReadParameters(WorkerOverride)) return false;
        var wanted = new HashSet<string>(StringComparer.Ordinal);
        foreach (var item in StaleModels) wanted.Add(item.ItemSpec);
        var work = ModelItems.FindAll(model => wanted.Contains(model.OutputPath));
        ReportProblems(work);
        work.RemoveAll(model => model.Problem is not null);
        try
        {
            _workerHash = WorkerIdentity.Compute(EffectiveWorkerPath, OutputDirectory, remember: true);
            if (work.Count > 0) CompressLocked(work);
            else if (PageIsOld && HasPage) NewRun().WritePage(OutputDirectory);
            Finish();
        }
        catch (OperationCanceledException)
        {
            return false;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Diagnostics.Error(BuildDiagnostics.UnwritableOutputCode, ProjectFile, 0, 0, BuildDiagnostics.UnwritableOutput(OutputDirectory, e.Message));
        }
        return !Log.HasLoggedErrors && _run?.Failed != true;
    }

    private void CompressLocked(List<ModelItem> work)
    {
        using var locks = OutputLocks.Acquire(
            work.ConvertAll(model => model.OutputPath),
            BuildEngine,
            () => Log.LogMessage(MessageImportance.Normal, "Waiting for another build that compresses the same models."),
            _cancellation);
        // Another build may have done the work while this one waited.
        ReadLock();
        work.RemoveAll(model => TakeExisting(model) || TakeShared(model));
        if (work.Count == 0) return;
        NewRun().Compress(work, OutputDirectory, Remember);
    }

    private WorkerRun NewRun() => _run = new WorkerRun(this, Log, new DiagnosticLog(Log), _locations, _cancellation)
    {
        Host = DotNetHostCandidates,
        Worker = EffectiveWorkerPath,
        IsOwnWorker = EffectiveWorkerPath == Path.GetFullPath(WorkerPath),
        NativeWorker = NativeWorker,
        MaxCpuCount = MaxCpuCount,
        Request = NewRequest(),
    };

    private WorkerRequest NewRequest() => new()
    {
        ToolVersion = ToolVersion,
        ProjectFile = ProjectFile,
        ProjectDirectory = ProjectDirectory,
        OutputDirectory = OutputDirectory,
        Reports = ReportNames,
        CachePath = string.IsNullOrWhiteSpace(CachePath) ? null : CachePath,
        LockFile = LockFilePath,
        Targets = ModelItems.ConvertAll(model => model.TargetPath),
        LockedMode = LockedMode,
    };

    private bool TakeExisting(ModelItem model)
    {
        var state = ModelState.Read(model.StatePath);
        if (ReasonToCompress(model, _workerHash, state, out _) is not null) return false;
        RepeatWarnings(state!);
        return true;
    }

    /// <summary>Copies a result that another instance of this project made from the same files with the same settings.</summary>
    private bool TakeShared(ModelItem model)
    {
        foreach (var item in SharedModels)
        {
            var output = item.GetMetadata("FullPath");
            if (item.GetMetadata("TargetPath") != model.TargetPath || output == model.OutputPath) continue;
            var shared = new SharedResult(ProjectDirectory, output, model.TargetPath);
            if (shared.TryCopy(model, KeyOf(model, _workerHash), OutputDirectory)) return true;
        }
        return false;
    }

    private void Remember(ModelItem model, List<InputRecord> inputs, WorkerResult result)
    {
        ReadLock();
        var state = ResultState.Create(model, KeyOf(model, _workerHash), inputs, result, ProjectDirectory, OutputDirectory);
        state.Write(model.StatePath);
    }

    private void ReportProblems(List<ModelItem> work)
    {
        foreach (var model in work)
        {
            if (model.Problem is null) continue;
            var (line, column) = _locations.Find(model.DefiningFile, "CompressModel", model.Spec);
            Diagnostics.Error(model.Problem.Code, model.DefiningFile, line, column, model.Problem.Message);
        }
    }

    /// <summary>Lists every model that has a valid result, in the order of the items.</summary>
    private void Finish()
    {
        var listing = ListOutputs((model, state) => model.Problem is null && state is not null && state.Key == KeyOf(model, _workerHash));
        RemovedFiles = ToItems(listing.Update(new OutputIndex(OutputDirectory)));
        CompressedModels = [.. listing.Results];
    }
}
