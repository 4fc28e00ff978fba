using System.Diagnostics;
using System.Globalization;

namespace ModelCompression.Benchmarks;

/// <summary>
/// Times whole processes against each other in one run: the tool of this repository, <c>cp</c> of the same files, and any other command. The commands take turns,
/// so that the machine's noise meets all alike; figures are medians, ratios are to the first command.
/// </summary>
internal static class ToolRace
{
    private static readonly CultureInfo Invariant = CultureInfo.InvariantCulture;

    /// <summary>Arguments: MODEL TOOL_FOLDER (of the portable tool or the native program) [--runs N] [--against 'COMMAND with {in} and {out}']… [-- options of compress].</summary>
    public static int Run(string[] args)
    {
        string model = Path.GetFullPath(args[0]);
        string tool = Path.Combine(Path.GetFullPath(args[1]), "modelcompress.dll");
        string start = File.Exists(tool) ? $"dotnet exec '{tool}'" : $"'{Path.ChangeExtension(tool, null)}'";
        int split = Array.IndexOf(args, "--");
        string options = split < 0 ? "" : string.Join(' ', args[(split + 1)..]);
        int runs = 5;
        using var folder = new Scratch();
        var commands = new List<(string Name, string Command)>
        {
            ("compress", $"exec {start} compress '{model}' -o '{folder.Path}/ours.onnx' {options}"),
            ("cp", $"exec cp {string.Join(' ', SourceFiles(model).Select(f => $"'{f}'"))} '{folder.Path}/copy/'"),
        };
        for (int i = 2; i < (split < 0 ? args.Length : split); i += 2)
        {
            if (args[i] == "--runs") runs = int.Parse(args[i + 1], Invariant);
            else commands.Add(($"other {commands.Count - 1}", args[i + 1].Replace("{in}", $"'{model}'", StringComparison.Ordinal).Replace("{out}", $"'{folder.Path}/other{commands.Count}.onnx'", StringComparison.Ordinal)));
        }

        var times = commands.ConvertAll(_ => new List<double>());
        var peaks = commands.ConvertAll(_ => new List<double>());
        for (int run = 0; run <= runs; run++)
        {
            for (int i = 0; i < commands.Count; i++)
            {
                var (seconds, peak) = Time(commands[i].Command);
                if (run == 0) continue;
                times[i].Add(seconds);
                peaks[i].Add(peak);
            }
        }

        double first = Median(times[0]);
        Console.WriteLine(string.Create(Invariant, $"{Path.GetFileName(model)}, {SourceFiles(model).Sum(f => new FileInfo(f).Length) / 1e6:0.0} MB, {runs} runs in turn after one to warm up"));
        for (int i = 0; i < commands.Count; i++)
            Console.WriteLine(string.Create(Invariant, $"{commands[i].Name,-10} {Median(times[i]) * 1000,8:0} ms ({times[i].Min() * 1000:0}-{times[i].Max() * 1000:0})   peak {Median(peaks[i]),7:0.0} MB   compress / this {first / Median(times[i]):0.00}   this / compress {Median(times[i]) / first:0.0}"));
        return 0;
    }

    private static IEnumerable<string> SourceFiles(string model) => new[] { model, model + ".data" }.Where(File.Exists);

    /// <summary>Wall time in seconds and peak resident memory in MB of a command and what it starts.</summary>
    private static (double Seconds, double PeakMegabytes) Time(string command)
    {
        long start = Stopwatch.GetTimestamp();
        using var process = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", command]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        process.OutputDataReceived += (_, _) => { };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        double peak = 0;
        while (!process.WaitForExit(3)) peak = Math.Max(peak, PeakOf(process.Id));
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        return process.ExitCode == 0 ? (seconds, peak) : throw new InvalidOperationException($"exit code {process.ExitCode}: {command}");
    }

    /// <summary>High-water mark of a process and its children, from the proc file system; 0 where there is none.</summary>
    private static double PeakOf(int process)
    {
        try
        {
            string? line = File.ReadLines($"/proc/{process}/status").FirstOrDefault(l => l.StartsWith("VmHWM:", StringComparison.Ordinal));
            double own = line is null ? 0 : double.Parse(line.AsSpan(6).Trim().ToString().Split(' ')[0], Invariant) * 1024 / 1e6;
            string children = File.ReadAllText($"/proc/{process}/task/{process}/children");
            return children.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(c => PeakOf(int.Parse(c, Invariant))).Append(own).Max();
        }
        catch (IOException)
        {
            return 0;
        }
    }

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);

    private sealed class Scratch : IDisposable
    {
        public Scratch() => Directory.CreateDirectory(System.IO.Path.Combine(Path, "copy"));

        public string Path { get; } = Directory.CreateTempSubdirectory("race-").FullName;

        public void Dispose() => Directory.Delete(Path, recursive: true);
    }
}
