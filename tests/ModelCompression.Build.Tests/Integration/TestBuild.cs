using Microsoft.Build.Logging.StructuredLogger;

namespace ModelCompression.Build.Tests.Integration;

/// <summary>What a build did.</summary>
/// <param name="ExitCode">Exit code of the command.</param>
/// <param name="Output">Everything it printed.</param>
/// <param name="LogPath">Its binary log.</param>
/// <param name="Launches">Lines the fake worker wrote during it.</param>
public sealed record TestBuild(int ExitCode, string Output, string LogPath, IReadOnlyList<string> Launches)
{
    private readonly Lazy<Microsoft.Build.Logging.StructuredLogger.Build> _log = new(() => BinaryLog.ReadBuild(LogPath));

    /// <summary>The binary log.</summary>
    public Microsoft.Build.Logging.StructuredLogger.Build Log => _log.Value;

    /// <summary>Models handed to the worker, over all launches, sorted.</summary>
    public string[] Compressed => [.. Launches.SelectMany(line => line.Split(' ', 3)[2].Split('|')).Order(StringComparer.Ordinal)];

    /// <summary>Names of all tasks that ran.</summary>
    public string[] Tasks => [.. Log.FindChildrenRecursive<Microsoft.Build.Logging.StructuredLogger.Task>().Select(task => task.Name)];

    public TestBuild Succeeded()
    {
        Assert.AreEqual(0, ExitCode, Output);
        return this;
    }

    public TestBuild Failed()
    {
        Assert.AreNotEqual(0, ExitCode, Output);
        return this;
    }

    /// <summary>Asserts that no worker ran.</summary>
    public TestBuild CompressedNothing()
    {
        Assert.IsEmpty(Launches, Output);
        return this;
    }

    /// <summary>Asserts that one worker ran, on these models.</summary>
    public TestBuild CompressedOnly(params string[] models)
    {
        Assert.HasCount(1, Launches, Output);
        CollectionAssert.AreEqual(models, Compressed, Output);
        return this;
    }

    /// <summary>The errors with a code.</summary>
    public Error[] Errors(string code) => [.. Log.FindChildrenRecursive<Error>().Where(error => error.Code == code)];

    /// <summary>The warnings with a code.</summary>
    public Warning[] Warnings(string code) => [.. Log.FindChildrenRecursive<Warning>().Where(warning => warning.Code == code)];
}
