namespace ModelCompression.Benchmarks;

/// <summary>What a table of schemes is made from.</summary>
/// <param name="Model">Path of the model.</param>
internal sealed record SchemeArguments(string Model)
{
    /// <summary>Calibration data, or empty.</summary>
    public string Calibration { get; private set; } = "";

    /// <summary>Data that judges, or empty: then made-up inputs do.</summary>
    public string Validation { get; private set; } = "";

    /// <summary>Names of the schemes to run; empty for all.</summary>
    public IReadOnlyList<string> Only { get; private set; } = [];

    /// <summary>Folder that keeps the results from one call to the next, or empty.</summary>
    public string Results { get; private set; } = "";

    /// <summary>True if the model reads text: results are judged by the share of samples that read alike, too.</summary>
    public bool ReadsText { get; private set; }

    /// <summary>True if everything but latency is measured.</summary>
    public bool MeasuresQuality { get; private set; } = true;

    /// <summary>True if latency is measured.</summary>
    public bool MeasuresLatency { get; private set; } = true;

    /// <summary>Other tools.</summary>
    public IReadOnlyList<(string Name, string Command)> Others { get; private set; } = [];

    /// <summary>The arguments of each model: those on the command line, or with <c>@LIST</c> as the model those of each line of a file, with the command line's behind them.</summary>
    public static IEnumerable<SchemeArguments> Parse(string[] args) =>
        args[0].StartsWith('@') ? LinesOf(args[0]).Select(l => One([.. l.Split(' ', StringSplitOptions.RemoveEmptyEntries), .. args[1..]])) : [One(args)];

    private static SchemeArguments One(string[] args)
    {
        var all = new SchemeArguments(Path.GetFullPath(args[0]));
        for (int i = 1; i + 1 < args.Length; i += 2) all.Set(args[i], args[i + 1]);
        return all;
    }

    private void Set(string name, string value)
    {
        switch (name)
        {
            case "--calibration": Calibration = Path.GetFullPath(value); break;
            case "--validation": Validation = Path.GetFullPath(value); break;
            case "--only": Only = value.Replace('_', ' ').Split(';'); break;
            case "--results": Results = Path.GetFullPath(value); break;
            case "--text": ReadsText = bool.Parse(value); break;
            case "--measure": (MeasuresQuality, MeasuresLatency) = (value != "latency", value != "quality"); break;
            case "--against": Others = [.. Others, .. (value.StartsWith('@') ? LinesOf(value) : [value]).Select(Other)]; break;
            default: throw new ArgumentException(name);
        }
    }

    private static (string Name, string Command) Other(string text)
    {
        int split = text.IndexOf('=', StringComparison.Ordinal);
        return (text[..split], text[(split + 1)..]);
    }

    private static IEnumerable<string> LinesOf(string list) => File.ReadLines(list[1..]).Where(l => l.Length > 0 && !l.StartsWith('#'));
}
