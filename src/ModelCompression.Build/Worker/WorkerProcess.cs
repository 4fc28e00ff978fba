using System;
using System.ComponentModel;
using System.IO;
using System.Text;
using Microsoft.Build.Framework;
using Microsoft.Build.Utilities;
using ModelCompression.Build.Diagnostics;

namespace ModelCompression.Build.Worker;

/// <summary>One run of the worker. <see cref="ToolTask"/> brings process start, output pumping, cancellation of the whole process tree and yielding of the node.</summary>
internal sealed class WorkerProcess : ToolTask
{
    /// <summary>What runtimes say when they end for lack of memory: .NET in its own words, as an exception and where it does not even start, and C++.</summary>
    private static readonly string[] s_lackOfMemory = ["Out of memory.", "OutOfMemoryException", "0x8007000E", "std::bad_alloc"];

    /// <summary>128 and the number of SIGKILL, which systems send when memory runs out.</summary>
    private const int Killed = 137;

    private readonly string? _host;
    private readonly string _worker;
    private readonly string _request;
    private readonly string _directory;
    private bool _saidSo;

    /// <param name="engine">Where to log.</param>
    /// <param name="host">The <c>dotnet</c> to run it with, or null when the worker is a program by itself.</param>
    /// <param name="worker">The worker.</param>
    /// <param name="request">The request file.</param>
    /// <param name="directory">Where it runs.</param>
    public WorkerProcess(IBuildEngine engine, string? host, string worker, string request, string directory)
    {
        BuildEngine = engine;
        _host = host;
        _worker = worker;
        _request = request;
        _directory = directory;
        YieldDuringToolExecution = true;
        UseCommandProcessor = false;
        StandardOutputImportance = nameof(MessageImportance.High);
        StandardErrorImportance = nameof(MessageImportance.High);
    }

    /// <summary>True if it is no error when the system does not start the program.</summary>
    public bool MayBeRefused { get; set; }

    /// <summary>True once the worker reported a coded error.</summary>
    public bool ReportedError { get; private set; }

    /// <summary>True if the worker ended for lack of memory, as far as one can tell.</summary>
    public bool LackedMemory => _saidSo || ExitCode == Killed;

    /// <summary>Why the system refused to start the program, or null.</summary>
    public string? Refusal { get; private set; }

    protected override string ToolName => Path.GetFileName(_host ?? _worker);

    /// <summary>The protocol is UTF-8 whatever the console is set to.</summary>
    protected override Encoding StandardOutputEncoding { get; } = new UTF8Encoding(false);

    protected override Encoding StandardErrorEncoding { get; } = new UTF8Encoding(false);

    protected override string GenerateFullPathToTool() => _host ?? _worker;

    protected override string GetWorkingDirectory() => _directory;

    protected override string GenerateCommandLineCommands()
    {
        var line = new CommandLineBuilder();
        if (_host is not null)
        {
            line.AppendSwitch("exec");
            line.AppendFileNameIfNotNull(_worker);
        }
        line.AppendSwitch("build");
        line.AppendFileNameIfNotNull(_request);
        return line.ToString();
    }

    /// <summary>A native program that is not for this machine is no error: the caller has another. Of others the base class tells.</summary>
    protected override int ExecuteTool(string pathToTool, string responseFileCommands, string commandLineCommands)
    {
        try
        {
            return base.ExecuteTool(pathToTool, responseFileCommands, commandLineCommands);
        }
        catch (Win32Exception e) when (MayBeRefused)
        {
            Refusal = e.Message;
            return -1;
        }
    }

    protected override void LogToolCommand(string message) => Log.LogCommandLine(MessageImportance.Low, message);

    protected override void LogEventsFromTextOutput(string singleLine, MessageImportance messageImportance)
    {
        if (singleLine.Length == 0) return;
        var line = CanonicalLine.TryParse(singleLine);
        var log = new DiagnosticLog(Log);
        switch (line?.Severity)
        {
            case "error":
                ReportedError = true;
                log.Error(line.Code, line.File, line.Line, line.Column, line.Text);
                break;
            case "warning":
                log.Warning(line.Code, line.File, line.Line, line.Column, line.Text);
                break;
            case "message":
                log.Note(line.Code, line.File, line.Line, line.Column, line.Text);
                break;
            default:
                _saidSo |= Array.Exists(s_lackOfMemory, words => singleLine.Contains(words));
                // Indented lines are details of the work.
                Log.LogMessage(char.IsWhiteSpace(singleLine[0]) ? MessageImportance.Low : messageImportance, "{0}", singleLine);
                break;
        }
    }

    /// <summary>The caller knows which model failed and says so; the exit code alone helps nobody.</summary>
    protected override bool HandleTaskExecutionErrors() => false;
}
