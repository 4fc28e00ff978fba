using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Gradients;

/// <summary>A loss attached to a graph: its value, and the inputs it added.</summary>
internal sealed record LossHead(Value Loss, IReadOnlyList<GradientTarget> Targets);

/// <summary>Cross-entropy L = −Σ t·log p between the probabilities of the first output that has one score per class, and targets t [rows, classes].</summary>
/// <remarks>
/// An output that a Softmax or LogSoftmax makes is taken as what it is, and the gradient enters before it: ∂L/∂z = p·Σt − t, which loses no digits. Any other output is
/// taken as scores z before a softmax.
/// </remarks>
internal static class CrossEntropyLoss
{
    /// <summary>Keeps the logarithm of a probability that was rounded to zero finite.</summary>
    private const float SmallestProbability = 1e-30f;

    /// <summary>Adds the loss.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="emit">Adds nodes.</param>
    /// <param name="pass">Takes the gradient of the output.</param>
    /// <param name="allowsPositions">Distillation: one row of scores for each of several positions will do, and without scores the outputs are compared as they are.</param>
    public static LossHead Attach(OnnxGraph graph, GradientEmitter emit, BackwardPass pass, bool allowsPositions)
    {
        var output = graph.Outputs.FirstOrDefault(o => Classes(pass, o) > 1 && o.TensorType?.ElementType is null or DataType.Float)
            ?? graph.Outputs.FirstOrDefault(o => allowsPositions && SoftmaxOverLast(emit, pass, o));
        if (output is null)
        {
            if (allowsPositions) return SquaredErrorLoss.Attach(graph, emit, pass, []);
            throw GradientError.NoScores(string.Join(", ", graph.Outputs.Select(o => $"'{o.Name}' [{string.Join(',', pass.DimsOf(o))}]")));
        }

        long[] dims = pass.DimsOf(output);
        long classes = Classes(pass, output) is > 1 and var scored ? scored : dims[^1], rows = dims.Aggregate(1L, (a, b) => a * b) / classes;
        var target = graph.AddInput(graph.NewName("gradient_target"), new TensorType(DataType.Float, Shape.Of(rows, classes)));
        var (scores, probabilities, logarithms, form) = Split(emit, pass, output, rows, classes);
        var loss = emit.Op("Neg", [emit.ReduceSum(emit.Mul(target, logarithms), [0, 1], keepDims: false)]);
        var gradient = emit.Sub(emit.Mul(probabilities, emit.ReduceSum(target, [1])), target);
        pass.Accumulate(scores, emit.Reshape(gradient, pass.DimsOf(scores)));
        return new(loss, [new(output.Name, target.Name, null, [rows, classes]) { Scores = form }]);
    }

    /// <summary>Scores per row: everything behind the batch axis when only one axis there is longer than one; a vector is one row.</summary>
    internal static long Classes(long[] dims) => dims.Length switch
    {
        0 => 0,
        1 => dims[0],
        _ => dims[1..].Count(d => d > 1) == 1 ? dims[1..].Aggregate(1L, (a, b) => a * b) : 0,
    };

    private static bool SoftmaxOverLast(GradientEmitter emit, BackwardPass pass, Value output) =>
        output.Producer is { } node && (node.Is("Softmax") || node.Is("LogSoftmax")) && Rules.SoftmaxRules.Axes(node, emit.Opset, pass.DimsOf(output).Length) is [var axis] && axis == pass.DimsOf(output).Length - 1;

    private static long Classes(BackwardPass pass, Value output) => Classes(pass.DimsOf(output));

    /// <summary>Where the gradient enters, and the probabilities and their logarithms as [rows, classes].</summary>
    private static (Value Scores, Value Probabilities, Value Logarithms, ClassScores Form) Split(GradientEmitter emit, BackwardPass pass, Value output, long rows, long classes)
    {
        var source = output;
        while (source.Producer is { } view && (view.Is("Identity") || view.Is("Reshape") || view.Is("Flatten") || view.Is("Squeeze")) && Classes(pass, view.Inputs[0]!) == classes) source = view.Inputs[0]!;
        var flat = emit.Reshape(source, rows, classes);
        if (source.Producer is { } node && (node.Is("Softmax") || node.Is("LogSoftmax")) && IsOverClasses(emit, pass, node, classes))
        {
            if (node.Is("LogSoftmax")) return (node.Inputs[0]!, emit.Op("Exp", [flat]), flat, ClassScores.LogProbabilities);
            return (node.Inputs[0]!, flat, emit.Op("Log", [emit.Op("Max", [flat, emit.Scalar(SmallestProbability)])]), ClassScores.Probabilities);
        }

        var axis = NodeAttribute.Of("axis", 1L);
        var matrix = emit.Reshape(output, rows, classes);
        return (output, emit.Op("Softmax", [matrix], axis), emit.Op("LogSoftmax", [matrix], axis), ClassScores.Logits);
    }

    private static bool IsOverClasses(GradientEmitter emit, BackwardPass pass, Node node, long classes)
    {
        long[] dims = pass.DimsOf(node.Outputs[0]!);
        var axes = Rules.SoftmaxRules.Axes(node, emit.Opset, dims.Length);
        return axes.Aggregate(1L, (a, i) => a * dims[i]) == classes;
    }
}

/// <summary>Squared error L = Σ w·(y − t)² of outputs; ∂L/∂y = 2w(y − t).</summary>
internal static class SquaredErrorLoss
{
    public static LossHead Attach(OnnxGraph graph, GradientEmitter emit, BackwardPass pass, IReadOnlyList<string> names)
    {
        var outputs = graph.Outputs.Distinct().Where(o => names.Count > 0 ? names.Contains(o.Name) : o.TensorType?.ElementType is null or DataType.Float).ToArray();
        if (outputs.Length == 0) throw GradientError.NoNumbers();
        var targets = new List<GradientTarget>();
        Value? loss = null;
        foreach (var output in outputs)
        {
            long[] dims = pass.DimsOf(output);
            var target = graph.AddInput(graph.NewName("gradient_target"), new TensorType(DataType.Float, Shape.Of(dims)));
            long[] perRow = [.. dims.Select((d, i) => i == 0 ? d : 1)];
            var weight = graph.AddInput(graph.NewName("gradient_weight"), new TensorType(DataType.Float, Shape.Of(perRow)));
            var error = emit.Sub(output, target);
            var weighted = emit.Mul(error, weight);
            var part = emit.ReduceSum(emit.Mul(weighted, error), [.. Enumerable.Range(0, dims.Length)], keepDims: false);
            loss = loss is null ? part : emit.Add(loss, part);
            pass.Accumulate(output, emit.Mul(weighted, 2));
            targets.Add(new(output.Name, target.Name, weight.Name, dims));
        }

        return new(loss!, targets);
    }
}
