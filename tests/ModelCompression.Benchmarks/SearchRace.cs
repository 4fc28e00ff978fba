using System.Globalization;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Options;
using ModelCompression.Pipeline;
using ModelCompression.Pipeline.Search;

namespace ModelCompression.Benchmarks;

/// <summary>Compares the search with random search over the same methods, at the same number of samples run.</summary>
internal static class SearchRace
{
    /// <summary>Runs <c>search MODEL VALIDATION_DATA [SEEDS] [NAME=VALUE ...]</c>.</summary>
    public static int Run(string[] args)
    {
        string model = Path.GetFullPath(args[0]), folder = Directory.CreateTempSubdirectory("search-race").FullName;
        int seeds = args.Length > 2 ? int.Parse(args[2], CultureInfo.InvariantCulture) : 3;
        var values = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase) { ["Strategy"] = "Auto", ["ValidationData"] = Path.GetFullPath(args[1]), ["MaxMetricDrop"] = "0.01" };
        foreach (string setting in args.Skip(3)) values[setting.Split('=')[0]] = setting.Split('=')[1];
        try
        {
            var guided = Search(model, Path.Combine(folder, "model.onnx"), values, GuidedSearch.Run);
            Print("guided", guided);
            string budget = ((int)Math.Ceiling(guided.Figures.TrialEquivalents)).ToString(CultureInfo.InvariantCulture);
            for (int seed = 0; seed < seeds; seed++)
            {
                int number = seed;
                var more = new Dictionary<string, string>(values, StringComparer.OrdinalIgnoreCase) { ["SearchTrials"] = budget };
                Print($"random, methods at random, seed {seed}", Search(model, Path.Combine(folder, "model.onnx"), more, (c, t) => RandomSearch.Uniform(c, number, t)));
                Print($"random, one level for all, seed {seed}", Search(model, Path.Combine(folder, "model.onnx"), more, (c, t) => RandomSearch.Level(c, number, t)));
            }

            return 0;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static SearchOutcome Search(string model, string output, Dictionary<string, string> values, Action<SearchContext, CancellationToken> strategy)
    {
        var request = new CompressionRequest { SourcePath = model, Identity = Path.GetFileName(model), OutputPath = output, Item = new SettingsSource("item", values) };
        var problems = new List<Diagnostic>();
        var settings = OptionParser.Parse(request.Item, [], problems) ?? throw new DiagnosticException(problems[0]);
        return new SearchRun(request, settings, Task.FromResult(Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(model)))), problems.Add, strategy).Execute(default)
            ?? throw new DiagnosticException(problems[^1]);
    }

    private static void Print(string name, SearchOutcome outcome)
    {
        var chosen = outcome.Trials!.Single(t => t.Chosen);
        Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name}: {chosen.Bytes} bytes, metric {chosen.Metric:0.0000}, {outcome.Trials!.Count} trials, {outcome.Figures.TrialEquivalents} with sensitivities, best after trial {chosen.Number}"));
    }
}
