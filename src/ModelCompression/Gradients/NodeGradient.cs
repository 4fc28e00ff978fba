using ModelCompression.Analysis.Shapes;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Gradients;

/// <summary>What a rule sees of a node: its values with their sizes, the gradients of its outputs, and where to give those of its inputs.</summary>
internal sealed class NodeGradient(Node node, GradientEmitter emit, BackwardPass pass)
{
    /// <summary>The node in the copy of the model.</summary>
    public Node Node => node;

    /// <summary>Adds nodes.</summary>
    public GradientEmitter Emit => emit;

    /// <summary>Values with their channels side by side.</summary>
    public ChannelRows Rows => pass.Rows;

    /// <summary>Values with their channels in blocks.</summary>
    public ChannelBlocks Blocks => pass.Blocks;

    /// <summary>Its attributes.</summary>
    public NodeAttributes Attributes => new(node);

    /// <summary>Input <paramref name="index"/>, which must be there.</summary>
    public Value X(int index = 0) => node.Input(index) ?? throw Refuse($"input {index} is missing");

    /// <summary>Output <paramref name="index"/>.</summary>
    public Value Y(int index = 0) => node.Output(index) ?? throw Refuse($"output {index} is missing");

    /// <summary>Gradient of the loss in output <paramref name="index"/>; null when the loss does not depend on it.</summary>
    public Value? DYOrNull(int index) => node.Output(index) is { } output ? pass.GradientOf(output) : null;

    /// <summary>Gradient of the loss in the first output.</summary>
    public Value DY => DYOrNull(0) ?? throw Refuse("only its first output has a rule");

    /// <summary>True if the gradient of input <paramref name="index"/> is asked for.</summary>
    public bool Needs(int index) => node.Input(index) is { } input && pass.IsActive(input);

    /// <summary>Adds to the gradient of input <paramref name="index"/>.</summary>
    public void Give(int index, Value gradient) => pass.Accumulate(X(index), gradient);

    /// <summary>Adds to the gradient of input <paramref name="index"/>, if it is asked for, what <paramref name="make"/> emits.</summary>
    public void GiveIfNeeded(int index, Func<Value> make)
    {
        if (Needs(index)) Give(index, make());
    }

    /// <summary>Gives the gradient of a weight, if it is asked for, as factors where <paramref name="factors"/> has some, else as what <paramref name="make"/> emits.</summary>
    public void GiveWeight(int index, Func<FactorOutputs, FactorValues?> factors, Func<Value> make)
    {
        if (Needs(index) && factors(pass.Factors) is { } values) pass.Factors.Set(X(index), values);
        else GiveIfNeeded(index, make);
    }

    /// <summary>True if what is asked for of weight <paramref name="index"/> is nothing but the gradients of factors on the positions of one axis.</summary>
    public bool NeedsGate(int index, int axis) => Needs(index) && pass.Gates.IsOnly(X(index), axis);

    /// <summary>
    /// Gives the gradient of an input, if it is asked for, and, where only this is asked for, the gradients of factors on what the weight sums over: Σ w·∂w = Σ x·∂x, because the layer is linear in both.
    /// </summary>
    /// <param name="index">The input.</param>
    /// <param name="axis">Its axis that the weight sums over.</param>
    /// <param name="weight">The weight's input number.</param>
    /// <param name="weightAxis">The weight's axis that is summed over; null where the positions of no axis of the weight belong to those of the input's.</param>
    /// <param name="make">Emits the input's gradient.</param>
    /// <returns>True if the gradient of the weight is not needed any more.</returns>
    public bool GiveInput(int index, int axis, int weight, int? weightAxis, Func<Value> make)
    {
        if (weightAxis is not { } gateAxis || !NeedsGate(weight, gateAxis))
        {
            GiveIfNeeded(index, make);
            return false;
        }

        var gradient = make();
        if (Needs(index)) Give(index, gradient);
        long[] dims = Dims(X(index));
        if (axis == 1 && Blocks.Has(X(index), dims) && Blocks.Has(gradient, dims))
        {
            pass.Gates.Add(X(weight), gateAxis, Blocks.SumsOfProducts(X(index), gradient, dims));
            return true;
        }

        bool areRows = axis == 1 && Rows.Find(X(index), dims) is not null && Rows.Find(gradient, dims) is not null;
        int[] others = areRows ? [0] : [.. Enumerable.Range(0, dims.Length).Where(a => a != axis)];
        var products = areRows ? emit.Mul(Rows.Of(X(index), dims), Rows.Of(gradient, dims)) : emit.Mul(X(index), gradient);
        pass.Gates.Add(X(weight), gateAxis, emit.Reshape(emit.ReduceSum(products, others), dims[axis]));
        return true;
    }

    /// <summary>States a value equal to the first output but for rounding, which backward nodes compute most of anyway; the node itself is then left out.</summary>
    public void RewriteOutput(Value equal) => pass.Rewrite(Y(), equal);

    /// <summary>Sizes of a value.</summary>
    /// <exception cref="DiagnosticException">MCB4061: they are not known.</exception>
    public long[] Dims(Value value) => pass.DimsOf(value);

    /// <summary>The integers of a constant or inferred input, or null when it is omitted.</summary>
    public long[]? Ints(int index)
    {
        if (node.Input(index) is not { } input) return null;
        if (!input.TryGetConstant(out var tensor)) throw Refuse($"input {index} is not a constant");
        return tensor.DataType switch
        {
            DataType.Int64 => tensor.AsSpan<long>().ToArray(),
            DataType.Int32 => [.. tensor.AsSpan<int>().ToArray().Select(v => (long)v)],
            _ => throw Refuse($"input {index} is {tensor.DataType}"),
        };
    }

    /// <summary>The axes given by input <paramref name="index"/> from <paramref name="opset"/> on, before by attribute; ascending and not negative.</summary>
    public int[]? Axes(int index, long opset, int rank)
    {
        var list = emit.Opset >= opset ? Ints(index) : Attributes.Ints("axes")?.ToArray();
        return list is null ? null : [.. list.Select(a => (int)(a < 0 ? a + rank : a)).Order()];
    }

    /// <summary>An axis attribute that may count from the end.</summary>
    public int Axis(string name, int defaultValue, int rank)
    {
        long axis = Attributes.Int(name, defaultValue);
        return (int)(axis < 0 ? axis + rank : axis);
    }

    /// <summary>The error that says why there is no gradient here.</summary>
    public DiagnosticException Refuse(string reason) => GradientError.NoRule(node, reason);
}
