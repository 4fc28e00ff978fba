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

        double forward = Forward(model, data, count, Batch), single = Forward(model, data, count, 1);
        Print($"forward, {Batch} samples at a time: {forward:0.00} ms; one by one: {single:0.00} ms");
        foreach (var kind in new[] { PruningPatternKind.Channel, PruningPatternKind.Unstructured })
        {
            double cost = Marginal(t => Score(model, runner, kind, t), count);
            Print($"scores, {kind}: {cost:0.00} ms per mini-batch of {Batch}, {cost / forward:0.00} times the forward run ({cost / single:0.00} times one by one)");
        }

        return 0;
    }

    /// <summary>CPU milliseconds per mini-batch.</summary>
    private static double Forward(Model model, DataSet data, int count, int joined)
    {
        using var session = ModelSession.Open(OnnxWriter.ToBytes(model), "forward", SessionSettings.Default, ModelRole.Original);
        var feeds = Enumerable.Range(0, Batch / joined).Select(i => session.Prepare(new JoinedFeed([.. Enumerable.Range(i * joined, joined).Select(i => data.Read(i))]).ToSample().Inputs)).ToList();
        double best = Marginal(t =>
        {
            for (int i = 0; i < t; i++)
                foreach (var feed in feeds) feed.Run();
        }, count);
        feeds.ForEach(f => f.Dispose());
        return best;
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

    /// <summary>CPU milliseconds that one more turn costs: the difference between the best of five measurements of many and few, after three turns to warm up: the first ones are compiled while they run.</summary>
    private static double Marginal(Action<int> run, int count)
    {
        for (int turn = 0; turn < 3; turn++) run(Few + count);
        double few = double.MaxValue, many = double.MaxValue;
        for (int round = 0; round < 5; round++)
        {
            few = Math.Min(few, Cpu(run, Few));
            many = Math.Min(many, Cpu(run, Few + count));
        }

        return (many - few) / count;
    }

    private static double Cpu(Action<int> run, int turns)
    {
        // Not Process.TotalProcessorTime, which counts in steps of ten milliseconds.
        var before = Environment.CpuUsage.TotalTime;
        run(turns);
        return (Environment.CpuUsage.TotalTime - before).TotalMilliseconds;
    }

    private static void Print(FormattableString text) => Console.WriteLine(text.ToString(CultureInfo.InvariantCulture));
}
