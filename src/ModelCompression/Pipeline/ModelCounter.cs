using ModelCompression.Analysis.Costs;
using ModelCompression.Data;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Reports;

namespace ModelCompression.Pipeline;

/// <summary>Counts parameters and work. The zeros of a tensor are counted once, however often it is met.</summary>
internal sealed class ModelCounter
{
    private readonly Dictionary<Tensor, long> nonZeros = new(ReferenceEqualityComparer.Instance);
    private ModelFigures plain = new();

    /// <summary>Parameters of the model as it is, and those that are not zero.</summary>
    public ModelFigures Count(Model model)
    {
        foreach (var tensor in FloatConstants(model))
        {
            if (nonZeros.ContainsKey(tensor)) continue;
            nonZeros[tensor] = NonZeroCounter.Count([tensor])[0];
            tensor.Data.ReleasePages();
        }

        var count = ParameterCounter.CountNonZero(model, value => value.TryGetConstant(out var tensor) && nonZeros.TryGetValue(tensor, out long known) ? known : null);
        return new() { Parameters = count.Parameters, NonZeroParameters = count.NonZeroParameters ?? count.Parameters };
    }

    /// <summary>To be called when pruning is done and storage has not begun: packing changes how weights are stored, not what the model computes with.</summary>
    public void Remember(Model model) => plain = Count(model);

    /// <summary>Parameters of the result, as last remembered.</summary>
    public ModelFigures Remembered => plain;

    /// <summary>Multiply-accumulate operations for one sample.</summary>
    public static long Macs(Model model, Sample? sample)
    {
        var shapes = new Dictionary<string, Shape>(StringComparer.Ordinal);
        foreach (var input in sample?.Inputs ?? [])
            if (input.Value is TensorValue { Tensor: { } tensor }) shapes[input.Name] = Shape.Of(tensor.Dims);
        return CostModel.Measure(model, shapes).Macs;
    }

    private static IEnumerable<Tensor> FloatConstants(Model model)
    {
        foreach (var graph in model.AllGraphs())
        {
            foreach (var value in graph.Initializers.Concat(graph.Nodes.Where(n => n.Is("Constant")).SelectMany(n => n.Outputs).OfType<Value>()))
                if (value.TryGetConstant(out var tensor) && tensor.DataType.IsFloatingPoint()) yield return tensor;
        }
    }
}
