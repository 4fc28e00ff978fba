using Microsoft.ML.OnnxRuntime;
using ModelCompression.Gradients;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using Tensor = ModelCompression.Onnx.Tensors.Tensor;

namespace ModelCompression.Tests.Gradients;

/// <summary>A graph of one or a few operators whose gradients are checked against central differences of its outputs, computed by ONNX Runtime.</summary>
internal sealed class OperatorCase
{
    private readonly List<(string Name, Tensor Tensor)> tensors = [];
    private readonly Random random = new(3);
    private readonly bool asInputs;

    private OperatorCase(long opset, bool asInputs)
    {
        this.asInputs = asInputs;
        Model = new Model(new OnnxGraph("case"));
        Model.OpsetImports[""] = opset;
    }

    public Model Model { get; }

    /// <summary>A tensor to differentiate by, uniform between two limits.</summary>
    public Value Weight(double low, double high, params long[] dims) => Weight(Tensor.Float(dims, [.. Enumerable.Range(0, (int)Tensor.CountElements(dims)).Select(_ => (float)(low + ((high - low) * random.NextDouble())))]));

    public Value Weight(params long[] dims) => Weight(-1, 1, dims);

    /// <summary>Distinct values in random order, at least <paramref name="gap"/> apart from each other and from zero: no kinks within a difference step.</summary>
    public Value Spread(double gap, params long[] dims)
    {
        int count = (int)Tensor.CountElements(dims);
        float[] values = [.. Enumerable.Range(0, count).Select(i => (float)((i - (count / 2) + 0.5) * gap))];
        random.Shuffle(values);
        return Weight(Tensor.Float(dims, values));
    }

    public Value Ints(params long[] values) => Model.Graph.AddInitializer("ints", Tensor.Int64([values.Length], values));

    public Value Constant(Tensor tensor) => Model.Graph.AddInitializer("constant", tensor);

    public Value Op(string opType, Value?[] inputs, params NodeAttribute[] attributes) => Model.Graph.AddNode(opType, inputs, [opType + "_out"], attributes, name: opType).Outputs[0]!;

    public IReadOnlyList<Value> Ops(string opType, Value?[] inputs, int outputs, params NodeAttribute[] attributes) =>
        [.. Model.Graph.AddNode(opType, inputs, Enumerable.Range(0, outputs).Select(i => $"{opType}_{i}"), attributes, name: opType).Outputs.Select(o => o!)];

    /// <summary>Largest difference between the gradient and the central differences, relative to the largest of the latter.</summary>
    public static double RelativeError(long opset, Func<OperatorCase, Value> build, double step = 1e-2)
    {
        var forward = Build(opset, build, asInputs: true);
        var constant = Build(opset, build, asInputs: false);
        using var session = new InferenceSession(OnnxWriter.ToBytes(forward.Model), Options());
        float[][] values = [.. forward.tensors.Select(t => t.Tensor.AsSpan<float>().ToArray())];
        float[] y = forward.Run(session, values);
        float[] target = [.. y.Select((v, i) => v + (float)Math.Sin(1 + i))];

        var gradients = constant.Differentiate(target);
        double error = 0, largest = 0;
        for (int t = 0; t < values.Length; t++)
        {
            for (int i = 0; i < values[t].Length; i++)
            {
                float at = values[t][i];
                values[t][i] = at + (float)step;
                float above = values[t][i];
                double plus = Loss(forward.Run(session, values), target);
                values[t][i] = at - (float)step;
                double slope = (plus - Loss(forward.Run(session, values), target)) / ((double)above - values[t][i]);
                values[t][i] = at;
                error = Math.Max(error, Math.Abs(slope - gradients[t][i]));
                largest = Math.Max(largest, Math.Abs(slope));
            }
        }

        Assert.IsGreaterThan(1e-3, largest, "The case has no gradient to compare.");
        return error / largest;
    }

    private static OperatorCase Build(long opset, Func<OperatorCase, Value> build, bool asInputs)
    {
        var result = new OperatorCase(opset, asInputs);
        var y = build(result);
        y.Type ??= new TensorType(DataType.Float, null);
        result.Model.Graph.AddOutput(y);
        return result;
    }

    private static double Loss(float[] y, float[] target) => y.Zip(target, (a, b) => ((double)a - b) * ((double)a - b)).Sum();

    private static SessionOptions Options() => new() { LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL, GraphOptimizationLevel = GraphOptimizationLevel.ORT_DISABLE_ALL };

    private Value Weight(Tensor tensor)
    {
        string name = $"w{tensors.Count}";
        tensors.Add((name, tensor));
        return asInputs ? Model.Graph.AddInput(Model.Graph.NewName(name), new TensorType(DataType.Float, Shape.Of(tensor.Dims))) : Model.Graph.AddInitializer(name, tensor);
    }

    private float[] Run(InferenceSession session, float[][] values)
    {
        var feed = tensors.Select((t, i) => (t.Name, Value: OrtValue.CreateTensorValueFromMemory(values[i], t.Tensor.Dims.ToArray()))).ToDictionary(f => f.Name, f => f.Value);
        using var options = new RunOptions();
        using var outputs = session.Run(options, feed, session.OutputNames);
        foreach (var value in feed.Values) value.Dispose();
        return outputs[0].GetTensorDataAsSpan<float>().ToArray();
    }

    private float[][] Differentiate(float[] target)
    {
        var weights = tensors.Select(t => Model.Graph.Initializers.Single(i => i.Name == t.Name)).ToArray();
        using var graph = GradientGraph.Build(Model, new GradientRequest(weights, GradientLossKind.SquaredError, new Dictionary<string, Shape>()));
        using var session = new InferenceSession(OnnxWriter.ToBytes(graph.Model), Options());
        var goal = graph.Targets.Single();
        long[] weightDims = [.. goal.Dims.Select((d, i) => i == 0 ? d : 1)];
        float[] ones = [.. Enumerable.Repeat(1f, (int)Tensor.CountElements(weightDims))];
        using var targetValue = OrtValue.CreateTensorValueFromMemory(target, [.. goal.Dims]);
        using var weightValue = OrtValue.CreateTensorValueFromMemory(ones, weightDims);
        using var options = new RunOptions();
        using var outputs = session.Run(options, new Dictionary<string, OrtValue> { [goal.InputName] = targetValue, [goal.WeightName!] = weightValue }, graph.GradientNames.Select(n => n!).ToArray());
        for (int i = 0; i < weights.Length; i++) CollectionAssert.AreEqual(weights[i].Initializer!.Dims.ToArray(), outputs[i].GetTensorTypeAndShape().Shape, weights[i].Name);
        return [.. outputs.Select(o => o.GetTensorDataAsSpan<float>().ToArray())];
    }
}
