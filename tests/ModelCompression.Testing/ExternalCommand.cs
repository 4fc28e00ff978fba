using System.ComponentModel;
using System.Diagnostics;

namespace ModelCompression.Testing;

/// <summary>Runs a program and keeps what it printed.</summary>
/// <param name="ExitCode">The program's exit code; -1 when it could not be started.</param>
/// <param name="Output">Standard output followed by standard error.</param>
public sealed record ExternalCommand(int ExitCode, string Output)
{
    private static readonly TimeSpan DefaultTimeout = TimeSpan.FromMinutes(10);

    /// <summary>Runs a program to its end.</summary>
    /// <param name="fileName">Name or path of the program.</param>
    /// <param name="arguments">Its arguments, unquoted.</param>
    /// <param name="workingDirectory">The folder it runs in.</param>
    /// <param name="environment">Variables to set, or to remove when the value is null.</param>
    /// <param name="timeout">When to end it and everything it started; ten minutes when null.</param>
    /// <exception cref="TimeoutException">The program did not end in time.</exception>
    public static ExternalCommand Run(string fileName, IEnumerable<string> arguments, string workingDirectory,
        IReadOnlyDictionary<string, string?>? environment = null, TimeSpan? timeout = null)
    {
        var start = new ProcessStartInfo(fileName, arguments)
        {
            WorkingDirectory = workingDirectory,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
            UseShellExecute = false,
        };
        foreach (var (name, value) in environment ?? new Dictionary<string, string?>())
            start.Environment[name] = value;
        try
        {
            using var process = Process.Start(start)!;
            return Finish(process, timeout ?? DefaultTimeout);
        }
        catch (Win32Exception e)
        {
            return new(-1, $"{fileName}: {e.Message}");
        }
    }

    private static ExternalCommand Finish(Process process, TimeSpan timeout)
    {
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(timeout))
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{process.StartInfo.FileName} did not end within {timeout}.");
        }
        return new(process.ExitCode, output.GetAwaiter().GetResult() + error.GetAwaiter().GetResult());
    }
}
