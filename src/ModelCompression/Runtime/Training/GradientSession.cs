using System.Numerics;
using ModelCompression.Analysis;
using ModelCompression.Data;
using ModelCompression.Gradients;
using ModelCompression.Numerics.Products;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;
using ValueType = ModelCompression.Onnx.Tensors.ValueType;

namespace ModelCompression.Runtime.Training;

/// <summary>Gradients of one model: mini-batches are cut into parts of fixed size, which run side by side and are added in order. The view of the model is disposed with it.</summary>
internal sealed class GradientSession(
    SinglePrecisionModel view, IReadOnlyList<int?>? gateAxes, float[][]? current, GradientLossKind loss, IReadOnlyList<string> outputs,
    TrainingSamples samples, TargetValues targets, int threads, bool isBatchable, bool splitsMatrices) : IGradientSession
{
    /// <summary>Most samples of a part: enough for full speed of matrix products, few enough that two parts keep two threads busy at usual batch sizes.</summary>
    private const int MaxPartLength = 32;

    /// <summary>Fewest samples of a part whose inputs are small: below, weights are read too often.</summary>
    private const int MinPartLength = 4;

    /// <summary>Input elements of a part, which bound the memory of its activations.</summary>
    private const long MaxPartElements = 1 << 21;

    /// <summary>Elements of the largest activation of a part that a processor's second cache holds together with what an operator makes of it.</summary>
    private const long MaxActivationElements = 1 << 18;

    private readonly Dictionary<string, CompiledGradient> compiled = new(StringComparer.Ordinal);
    private readonly Lock gate = new();
    private readonly Lazy<long> largestActivation = new(() => LargestActivation(view.Model, samples));
    private bool joins = isBatchable;
    private bool[]? splits;

    /// <inheritdoc/>
    public IReadOnlyList<bool> Reached { get; private set; } = [];

    /// <summary>Builds the graph for the first sample, so that what is wrong shows at once.</summary>
    public void Prepare()
    {
        int length = PartLength;
        var feed = new JoinedFeed([.. Enumerable.Repeat(samples[0], Math.Min(length, samples.Count))]);
        if (feed.Samples.Count > 1 && Compile(feed).Graph.Targets.Any(t => t.Dims.Count == 0 || t.Dims[0] % feed.Samples.Count != 0)) joins = false;
        if (!joins) feed = new JoinedFeed([samples[0]]);
        var graph = Compile(feed).Graph;
        Reached = [.. view.Weights.Select((_, i) => graph.Reaches(i))];
    }

    private int PartLength
    {
        get
        {
            long elements = samples[0].Inputs.Sum(i => ((TensorValue)i.Value).Tensor.ElementCount);
            if (!joins) return 1;
            // Powers of two make equal parts of the usual mini-batches.
            int cached = (int)Math.Clamp((long)BitOperations.RoundUpToPowerOf2((ulong)(MaxActivationElements / Math.Max(1, largestActivation.Value)) + 1) / 2, MinPartLength, MaxPartLength);
            return (int)Math.Clamp(MaxPartElements / Math.Max(1, elements), 1, cached);
        }
    }

    private static long LargestActivation(Model model, TrainingSamples samples)
    {
        var shapes = ShapeInference.Evaluate(model, new JoinedFeed([samples[0]]).Shapes);
        return model.Graph.Nodes.SelectMany(n => n.Outputs).OfType<Value>().Where(v => !v.TryGetConstant(out _)).Select(v => shapes.ShapeOf(v) is { IsStatic: true } shape ? shape.Dimensions.Aggregate(1L, (a, d) => a * d.Size!.Value) : 1).Append(1).Max();
    }

    /// <inheritdoc/>
    public double Run(IReadOnlyList<int> feeds, float[][]? gradients, CancellationToken cancellation = default)
    {
        var parts = Parts(feeds);
        int rows = parts.Sum(p => p.Rows);
        var sums = gradients is null ? null : new MiniBatchGradients(gradients);
        double total = 0;
        for (int first = 0; first < parts.Count; first += threads)
        {
            cancellation.ThrowIfCancellationRequested();
            var wave = parts.Skip(first).Take(threads).ToArray();
            var results = new PartResult?[wave.Length];
            try
            {
                RunSideBySide(wave.Length, i => results[i] = Compile(wave[i]).Run(wave[i], targets, rows, sums is not null));
                for (int i = 0; i < results.Length; i++)
                {
                    total += results[i]!.Loss;
                    if (sums is not null) results[i]!.AddTo(sums, new(first + i == 0, first + i == 0, EndsRun: true));
                }
            }
            finally
            {
                foreach (var result in results) result?.Dispose();
            }
        }

        return total;
    }

    /// <inheritdoc/>
    public double Collect(IReadOnlyList<int> feeds, MiniBatchGradients gradients, CancellationToken cancellation = default)
    {
        // One part after the other: mini-batches are what runs side by side here, and sums need not be taken apart and added for each part.
        var parts = Parts(feeds);
        int rows = parts.Sum(p => p.Rows);
        double total = 0;
        bool isFirstRun = true;
        WeightGradient?[]? sums = null;
        for (int i = 0; i < parts.Count; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            bool endsRun = i == parts.Count - 1 || parts[i + 1].ShapeKey != parts[i].ShapeKey;
            using var result = Compile(parts[i]).Run(parts[i], targets, rows, withGradients: true, sums);
            total += result.Loss;
            result.AddTo(gradients, new(i == 0, isFirstRun, endsRun));
            sums = endsRun ? null : result.KeepSums();
            isFirstRun &= !endsRun;
        }

        return total;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var gradient in compiled.Values) gradient.Dispose();
        view.Dispose();
    }

    private static void RunSideBySide(int count, Action<int> run)
    {
        if (count == 1)
        {
            run(0);
            return;
        }

        try
        {
            Parallel.For(0, count, new ParallelOptions { MaxDegreeOfParallelism = count }, run);
        }
        catch (AggregateException e) when (e.Flatten().InnerExceptions.OfType<DiagnosticException>().FirstOrDefault() is { } diagnostic)
        {
            throw diagnostic;
        }
    }

    /// <summary>Cuts a mini-batch into runs of samples with equal shapes.</summary>
    private List<JoinedFeed> Parts(IReadOnlyList<int> feeds)
    {
        var parts = new List<JoinedFeed>();
        var part = new List<Sample>();
        int length = PartLength;
        foreach (int feed in feeds)
        {
            var sample = samples[feed];
            if (part.Count > 0 && (part.Count == length || !JoinedFeed.HaveSameShapes(part[0], sample)))
            {
                parts.Add(new JoinedFeed(part));
                part = [];
            }

            part.Add(sample);
        }

        if (part.Count > 0) parts.Add(new JoinedFeed(part));
        return parts;
    }

    private CompiledGradient Compile(JoinedFeed feed)
    {
        lock (gate)
        {
            if (compiled.TryGetValue(feed.ShapeKey, out var known)) return known;
            var request = new GradientRequest(view.Weights, loss, feed.Shapes) { GateAxes = gateAxes, WeightsAreInputs = current is not null, Outputs = outputs, AllowsPositions = targets.AllowsPositions, Observe = (source, values) => Observe(source, values, feed), Factors = splitsMatrices ? FactorForm.All : FactorForm.Convolutions, SplitMatrices = splits };
            var graph = GradientGraph.Build(view.Model, request);
            // Parts of a mini-batch add up, so they have the form of the first.
            splits ??= [.. graph.Factors.Select(f => f is MatrixFactors)];
            return compiled[feed.ShapeKey] = new CompiledGradient(graph, view.Weights, current);
        }
    }

    private static IReadOnlyDictionary<Value, ValueType> Observe(Model source, IReadOnlyCollection<Value> values, JoinedFeed feed) =>
        ObservedTypes.Observe(source, values, new OneFeed(feed)).Types;

    /// <summary>A joined feed as the only sample.</summary>
    private sealed class OneFeed(JoinedFeed feed) : SampleSource
    {
        public override SampleOrigin Origin => SampleOrigin.Calibration;

        public override int Count => 1;

        public override Sample Read(int attempt, int index) => feed.ToSample();
    }
}
