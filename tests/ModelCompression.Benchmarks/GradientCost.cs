using System.Globalization;
using ModelCompression.Analysis;
using ModelCompression.Analysis.Channels;
using ModelCompression.Data;
using ModelCompression.Gradients;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Options;
using ModelCompression.Passes;
using ModelCompression.Passes.Pruning.ByGradient;
using ModelCompression.Passes.Pruning.Channels;
using ModelCompression.Passes.Simplification;
using ModelCompression.Runtime;
using ModelCompression.Runtime.Training;

namespace ModelCompression.Benchmarks;

/// <summary>CPU time of scores by gradients against the forward run of the same samples, one thread: as the passes make them, opening of sessions aside.</summary>
internal static class GradientCost
{
    private const int Batch = 32;
    private const int Few = 5;
    private const int Rounds = 7;
    private const int ForwardRepeats = 4;

    /// <summary>Arguments: MODEL DATA [MINI-BATCHES] [FILE for the gradient graph of all weights; beside it that of the channels].</summary>
    public static int Run(string[] args)
    {
        string path = Path.GetFullPath(args[0]);
        int count = args.Length > 2 ? int.Parse(args[2], CultureInfo.InvariantCulture) : 40;
        using var model = OnnxReader.Read(path);
        new SimplificationPipeline(new OrtConstantEvaluator()).Run(model, new CompressionSettings(new()), new PassLog());
        using var data = DataSet.Open([Path.GetFullPath(args[1])], ModelInterface.Of(model));
        using var runner = new GradientRunner(data, path, 1);
        if (args.Length > 3) Save(model, data, args[3]);

        using var joined = new ForwardRun(model, data, Batch);
        using var single = new ForwardRun(model, data, 1);
        // A forward run is shorter, so it is repeated: what disturbs the machine for a while then disturbs both.
        var costs = InTurn(count,
            turns => joined.Run(ForwardRepeats * turns), turns => single.Run(ForwardRepeats * turns),
            turns => Score(model, runner, PruningPatternKind.Channel, turns), turns => Score(model, runner, PruningPatternKind.Unstructured, turns));
        var (together, alone) = (costs[0].ConvertAll(ms => ms / ForwardRepeats), costs[1].ConvertAll(ms => ms / ForwardRepeats));
        Print($"forward, {Batch} samples at a time: {Median(together):0.00} ms; one by one: {Median(alone):0.00} ms");
        foreach (var (kind, cost) in new[] { ("channels", costs[2]), ("single weights", costs[3]) })
            Print($"scores of {kind}: {Median(cost):0.00} ms per mini-batch of {Batch}, {Ratios(cost, together)} times the forward run ({Ratios(cost, alone)} times one by one)");
        return 0;
    }

    /// <summary>Median, least and greatest quotient of figures measured one after the other.</summary>
    private static string Ratios(List<double> cost, List<double> forward)
    {
        var ratios = cost.Zip(forward, (c, f) => c / f).ToList();
        return FormattableString.Invariant($"{Median(ratios):0.00} [{ratios.Min():0.00}, {ratios.Max():0.00}]");
    }

    private static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return sorted[sorted.Length / 2];
    }

    /// <summary>CPU milliseconds that one more turn costs, several times in turn: the difference between many and few, after three turns to warm up: the first ones are compiled while they run.</summary>
    private static List<double>[] InTurn(int count, params Action<int>[] runs)
    {
        foreach (var run in runs)
            for (int turn = 0; turn < 3; turn++) run(Few + count);
        var costs = Array.ConvertAll(runs, _ => new List<double>());
        for (int round = 0; round < Rounds; round++)
            for (int i = 0; i < runs.Length; i++)
            {
                // Before and after the long run, so that a change of the machine's pace counts half.
                double before = Cpu(runs[i], Few), many = Cpu(runs[i], Few + count), after = Cpu(runs[i], Few);
                costs[i].Add((many - ((before + after) / 2)) / count);
            }

        return costs;
    }

    private static void Score(Model model, GradientRunner runner, PruningPatternKind kind, int iterations)
    {
        var options = new CompressionOptions { Pruning = PruningCriterion.GradientStability, PruningPattern = new(kind, 0, 0), Sparsity = 0.5, GradientIterations = iterations };
        if (kind == PruningPatternKind.Channel)
        {
            new GradientChannelScorer(PruningCriterion.GradientStability, runner, new PassLog()).Score(model, [.. ChannelGroups.Find(model).Groups.Select(g => new ScoredGroup(g, options))], default);
            return;
        }

        var weights = WeightCatalog.Of(model).Weights.Select(w => w.Value).ToList();
        new GradientSampler(runner, options).Moments(model, weights, default);
    }

    private static void Save(Model model, DataSet data, string file)
    {
        var weights = WeightCatalog.Of(model).Weights.Select(w => w.Value).ToList();
        var feed = new JoinedFeed([.. Enumerable.Range(0, Batch).Select(i => data.Read(i))]);
        using var graph = GradientGraph.Build(model, new GradientRequest(weights, GradientLossKind.CrossEntropy, feed.Shapes) { Factors = FactorForm.All });
        OnnxWriter.Write(graph.Model, file);
        var slots = ChannelGroups.Find(model).Groups.SelectMany(g => GradientChannelScorer.GatedSlots(model, g)).ToList();
        var gates = new GradientRequest(slots.ConvertAll(s => s.Value), GradientLossKind.CrossEntropy, feed.Shapes) { GateAxes = slots.ConvertAll(s => (int?)s.Axis), Factors = FactorForm.All };
        using var gateGraph = GradientGraph.Build(model, gates);
        OnnxWriter.Write(gateGraph.Model, Path.ChangeExtension(file, ".gates.onnx"));
    }

    private static double Cpu(Action<int> run, int turns)
    {
        // Not Process.TotalProcessorTime, which counts in steps of ten milliseconds.
        var before = Environment.CpuUsage.TotalTime;
        run(turns);
        return (Environment.CpuUsage.TotalTime - before).TotalMilliseconds;
    }

    /// <summary>The forward run of a mini-batch in a session with all optimizations.</summary>
    private sealed class ForwardRun : IDisposable
    {
        private readonly ModelSession session;
        private readonly List<PreparedFeed> feeds;

        public ForwardRun(Model model, DataSet data, int joined)
        {
            session = ModelSession.Open(OnnxWriter.ToBytes(model), "forward", SessionSettings.Default, ModelRole.Original);
            feeds = [.. Enumerable.Range(0, Batch / joined).Select(i => session.Prepare(new JoinedFeed([.. Enumerable.Range(i * joined, joined).Select(i => data.Read(i))]).ToSample().Inputs))];
        }

        public void Run(int turns)
        {
            for (int i = 0; i < turns; i++)
                foreach (var feed in feeds) feed.Run();
        }

        public void Dispose()
        {
            feeds.ForEach(f => f.Dispose());
            session.Dispose();
        }
    }

    private static void Print(FormattableString text) => Console.WriteLine(text.ToString(CultureInfo.InvariantCulture));
}
