using System.Collections.Concurrent;
using System.Numerics.Tensors;
using Microsoft.ML.OnnxRuntime;
using ModelCompression.Gradients;
using ModelCompression.Numerics.Products;

namespace ModelCompression.Runtime.Training;

/// <summary>Loss and gradients of a part, where ONNX Runtime has put them; gradients of convolutions are computed here.</summary>
internal sealed class PartResult : IDisposable
{
    /// <summary>Elements that are worth other threads.</summary>
    private const long ParallelElements = 1 << 22;

    private readonly IDisposableReadOnlyCollection<OrtValue> outputs;
    private readonly Dictionary<string, int> positions = new(StringComparer.Ordinal);
    private readonly GradientGraph graph;
    private readonly ConcurrentBag<WeightGradient?[]> pool;
    private readonly WeightGradient?[] computed;

    /// <summary>Takes over the outputs.</summary>
    /// <param name="outputs">Outputs of the graph, the loss first.</param>
    /// <param name="names">Their names.</param>
    /// <param name="graph">The graph.</param>
    /// <param name="pool">Kernels for the convolutions of the graph that are not in use.</param>
    public PartResult(IDisposableReadOnlyCollection<OrtValue> outputs, IReadOnlyList<string> names, GradientGraph graph, ConcurrentBag<WeightGradient?[]> pool)
    {
        this.outputs = outputs;
        this.graph = graph;
        for (int i = 0; i < names.Count; i++) positions.Add(names[i], i);
        Loss = outputs[0].GetTensorDataAsSpan<float>()[0];
        this.pool = pool;
        computed = pool.TryTake(out var kernels) ? kernels : new WeightGradient?[graph.Factors.Count];
        for (int i = 0; i < computed.Length; i++)
        {
            if (graph.Factors[i] is not ConvolutionFactors factors || !positions.ContainsKey(factors.Left)) continue;
            (computed[i] ??= WeightGradient.Create(factors.Sizes)).Compute(Output(factors.Left), factors.AreLeftRows, Output(factors.Right), factors.AreRightRows);
        }
    }

    /// <summary>Share of the mini-batch's mean loss.</summary>
    public double Loss { get; }

    /// <summary>Adds the gradients to those of the parts before; the first part replaces what is there.</summary>
    public void AddTo(MiniBatchGradients sums, bool isFirst)
    {
        if (sums.ElementCount < ParallelElements)
            for (int i = 0; i < sums.Count; i++) AddTo(sums, i, isFirst);
        else Parallel.For(0, sums.Count, i => AddTo(sums, i, isFirst));
    }

    private void AddTo(MiniBatchGradients sums, int i, bool isFirst)
    {
        if (graph.Factors[i] is MatrixFactors factors)
        {
            sums.AppendFactors(i, factors, Output(factors.Left), Output(factors.Right), isFirst);
            return;
        }

        var sum = sums.Array(i).AsSpan();
        if (!graph.Reaches(i))
        {
            if (isFirst) sum.Clear();
            return;
        }

        var gradient = graph.Factors[i] is null ? Output(graph.GradientNames[i]!) : computed[i]!.Result;
        if (isFirst) gradient.CopyTo(sum);
        else TensorPrimitives.Add(gradient, sum, sum);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        outputs.Dispose();
        pool.Add(computed);
    }

    private ReadOnlySpan<float> Output(string name) => outputs[positions[name]].GetTensorDataAsSpan<float>();
}
