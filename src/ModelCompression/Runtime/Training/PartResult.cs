using System.Collections.Concurrent;
using System.Numerics.Tensors;
using Microsoft.ML.OnnxRuntime;
using ModelCompression.Gradients;
using ModelCompression.Numerics.Products;

namespace ModelCompression.Runtime.Training;

/// <summary>Where a part is in its mini-batch.</summary>
/// <param name="IsFirst">True for the first part.</param>
/// <param name="IsFirstRun">True if no run of parts with one sum of their convolutions' gradients ended before.</param>
/// <param name="EndsRun">True if no further part adds to the sums.</param>
internal readonly record struct PartPlace(bool IsFirst, bool IsFirstRun, bool EndsRun);

/// <summary>What is not in use of the memory that parts of a graph are computed in.</summary>
/// <param name="Kernels">Kernels for the convolutions.</param>
/// <param name="Chains">Kernels for the chain.</param>
internal sealed record PartSpace(ConcurrentBag<WeightGradient?[]> Kernels, ConcurrentBag<ChainGradients> Chains);

/// <summary>Loss and gradients of a part, where ONNX Runtime has put them; gradients of convolutions are computed here.</summary>
internal sealed class PartResult : IDisposable
{
    /// <summary>Elements that are worth other threads.</summary>
    private const long ParallelElements = 1 << 22;

    private readonly IDisposableReadOnlyCollection<OrtValue> outputs;
    private readonly Dictionary<string, int> positions = new(StringComparer.Ordinal);
    private readonly GradientGraph graph;
    private readonly PartSpace space;
    private WeightGradient?[]? computed;

    /// <summary>Takes over the outputs.</summary>
    /// <param name="outputs">Outputs of the graph, the loss first.</param>
    /// <param name="names">Their names.</param>
    /// <param name="graph">The graph.</param>
    /// <param name="space">Memory to work in.</param>
    /// <param name="sums">Kernels with the sums of parts before that this one adds to, or null.</param>
    /// <param name="inputs">Inputs of the run.</param>
    public PartResult(IDisposableReadOnlyCollection<OrtValue> outputs, IReadOnlyList<string> names, GradientGraph graph, PartSpace space, WeightGradient?[]? sums, IReadOnlyDictionary<string, OrtValue> inputs)
    {
        this.outputs = outputs;
        this.graph = graph;
        for (int i = 0; i < names.Count; i++) positions.Add(names[i], i);
        Loss = outputs[0].GetTensorDataAsSpan<float>()[0];
        this.space = space;
        computed = sums ?? (space.Kernels.TryTake(out var kernels) ? kernels : new WeightGradient?[graph.Factors.Count]);
        for (int i = 0; i < computed.Length; i++)
        {
            if (graph.Factors[i] is not ConvolutionFactors factors || !positions.ContainsKey(factors.Left)) continue;
            Begin(i, factors.Sizes, sums).Add(Output(factors.Left), factors.AreLeftRows, Output(factors.Right), factors.AreRightRows);
        }

        if (graph.Chain is not { } chain || !positions.ContainsKey(chain.Gradient)) return;
        foreach (var link in chain.Links)
            if (link.Wanted is { } weight) Begin(weight, link.Sizes, sums);
        if (!space.Chains.TryTake(out var backward)) backward = new(chain);
        backward.AddTo(computed, name => positions.ContainsKey(name) ? Output(name) : inputs[name].GetTensorDataAsSpan<float>());
        space.Chains.Add(backward);
    }

    /// <summary>Share of the mini-batch's mean loss.</summary>
    public double Loss { get; }

    /// <summary>Adds the gradients to those of the parts before.</summary>
    /// <param name="gradients">Takes them.</param>
    /// <param name="place">Where the part is in the mini-batch.</param>
    public void AddTo(MiniBatchGradients gradients, PartPlace place)
    {
        if (gradients.ElementCount < ParallelElements)
            for (int i = 0; i < gradients.Count; i++) AddTo(gradients, i, place);
        else Parallel.For(0, gradients.Count, i => AddTo(gradients, i, place));
    }

    /// <summary>Hands over the gradients of convolutions so far, for the next part of the same shape.</summary>
    public WeightGradient?[] KeepSums() => Interlocked.Exchange(ref computed, null) ?? throw new InvalidOperationException("The sums were handed over already.");

    private void AddTo(MiniBatchGradients gradients, int i, PartPlace place)
    {
        if (graph.Factors[i] is MatrixFactors factors)
        {
            gradients.AppendFactors(i, factors, Output(factors.Left), Output(factors.Right), place.IsFirst);
            return;
        }

        if (computed![i] is { } kernel)
        {
            if (!place.EndsRun) return;
            kernel.End();
            Add(kernel.Result, gradients.Array(i), place.IsFirstRun);
        }
        else if (graph.Reaches(i)) Add(Output(graph.GradientNames[i]!), gradients.Array(i), place.IsFirst);
        else if (place.IsFirst) Array.Clear(gradients.Array(i));
    }

    /// <summary>The kernel for a weight, from zero where no part before has added to it.</summary>
    private WeightGradient Begin(int weight, ConvolutionSizes sizes, WeightGradient?[]? sums)
    {
        var kernel = computed![weight] ??= WeightGradient.Create(sizes);
        if (sums is null) kernel.Begin();
        return kernel;
    }

    private static void Add(ReadOnlySpan<float> gradient, Span<float> sum, bool isFirst)
    {
        if (isFirst) gradient.CopyTo(sum);
        else TensorPrimitives.Add(gradient, sum, sum);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        outputs.Dispose();
        if (computed is not null) space.Kernels.Add(computed);
    }

    private ReadOnlySpan<float> Output(string name) => outputs[positions[name]].GetTensorDataAsSpan<float>();
}
