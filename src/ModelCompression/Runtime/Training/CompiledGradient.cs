using System.Collections.Concurrent;
using Microsoft.ML.OnnxRuntime;
using ModelCompression.Data;
using ModelCompression.Gradients;
using ModelCompression.Numerics.Products;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Runtime.Training;

/// <summary>A gradient graph for one input shape, open in ONNX Runtime. Runs may be side by side.</summary>
internal sealed class CompiledGradient : IDisposable
{
    private const long BigModelByteLength = 256L << 20;

    private readonly ModelSession session;
    private readonly Dictionary<string, OrtValue> weightValues = new(StringComparer.Ordinal);
    private readonly string[] names;
    private readonly ConcurrentBag<WeightGradient?[]> kernels = [];
    private readonly ConcurrentBag<ChainGradients> chains = [];

    /// <summary>Opens a graph.</summary>
    /// <param name="graph">The graph; disposed with this.</param>
    /// <param name="weights">The weights it has gradients for.</param>
    /// <param name="current">Arrays that its weight inputs read, or null when it has none.</param>
    public CompiledGradient(GradientGraph graph, IReadOnlyList<Value> weights, float[][]? current)
    {
        Graph = graph;
        session = Open(graph.Model);
        names = [graph.LossName, .. graph.GradientNames.OfType<string>().Concat(graph.Factors.OfType<GradientFactors>().SelectMany(f => new[] { f.Left, f.Right })).Concat(graph.Chain?.Outputs ?? []).Distinct()];
        for (int i = 0; current is not null && i < weights.Count; i++)
        {
            weights[i].TryGetConstant(out var tensor);
            // ONNX Runtime reads the pinned array itself: an update of the array is an update of the weight.
            weightValues.Add(graph.WeightInputs[i], OrtValue.CreateTensorValueFromMemory(current[i], tensor!.Dims.ToArray()));
        }
    }

    /// <summary>The graph.</summary>
    public GradientGraph Graph { get; }

    /// <summary>Computes loss and gradients of a part.</summary>
    /// <param name="feed">The part.</param>
    /// <param name="targets">What the loss compares with.</param>
    /// <param name="rows">Rows of the mini-batch.</param>
    /// <param name="withGradients">False for the loss alone.</param>
    /// <param name="sums">Gradients of the convolutions in parts before that this one adds to (<see cref="PartResult.KeepSums"/>), or null.</param>
    public PartResult Run(JoinedFeed feed, TargetValues targets, int rows, bool withGradients, WeightGradient?[]? sums = null)
    {
        var inputs = new Dictionary<string, OrtValue>(StringComparer.Ordinal);
        try
        {
            feed.AddTo(inputs);
            foreach (var target in Graph.Targets)
            {
                inputs.Add(target.InputName, Native([.. target.Dims], targets.Target(target, feed, rows)));
                if (target.WeightName is { } weight) inputs.Add(weight, Native([.. target.Dims.Select((d, i) => i == 0 ? d : 1)], TargetValues.Weights(target, feed, rows)));
            }

            var all = new Dictionary<string, OrtValue>(inputs.Concat(weightValues), StringComparer.Ordinal);
            string[] wanted = withGradients ? names : names[..1];
            return new PartResult(session.Run(all, wanted), wanted, Graph, new(kernels, chains), sums, inputs);
        }
        finally
        {
            foreach (var value in inputs.Values) value.Dispose();
        }
    }

    /// <summary>
    /// Copied, because ONNX Runtime's own memory is aligned: where an array of ours happens to lie decides the order in which its reductions add, and so the last bits.
    /// </summary>
    private static OrtValue Native(long[] dims, float[] elements) => OrtValues.ToNative(new TensorValue(Tensor.Float(dims, elements)));

    /// <summary>Large models go to ONNX Runtime by a temporary file, which it maps.</summary>
    private static ModelSession Open(Model model)
    {
        if (model.Graph.Initializers.Sum(i => i.Initializer?.ByteLength ?? 0) < BigModelByteLength) return ModelSession.Open(OnnxWriter.ToBytes(model), "gradients", SessionSettings.Default, ModelRole.Original);
        string folder = Directory.CreateTempSubdirectory("mcb-").FullName;
        try
        {
            return ModelSession.Open(OnnxWriter.Write(model, Path.Combine(folder, "gradients.onnx")).Path, SessionSettings.Default, ModelRole.Original);
        }
        finally
        {
            try
            {
                Directory.Delete(folder, recursive: true);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Mapped files cannot be deleted on Windows while the session lives; the system's clean-up gets what is left.
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        session.Dispose();
        foreach (var value in weightValues.Values) value.Dispose();
        Graph.Dispose();
    }
}
