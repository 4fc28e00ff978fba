using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Tests.Passes.Pruning.Channels;

/// <summary>Small nets, one per way in which channels are coupled.</summary>
internal sealed class NetBuilder
{
    private readonly Random random = new(11);

    public NetBuilder(long opset = 17, params object[] input)
    {
        Model = new Model(new OnnxGraph("net")) { IrVersion = 8 };
        Model.OpsetImports[""] = opset;
        Input = Model.Graph.AddInput("x", new TensorType(DataType.Float, new Shape(input.Select(d => d is int size ? Dimension.Of(size) : Dimension.OfSymbol((string)d)))));
    }

    public Model Model { get; }

    public Value Input { get; }

    public Value Weights(string name, params long[] dims)
    {
        double fanIn = dims.Length > 1 ? Tensor.CountElements(dims) / dims[0] : 10;
        return Model.Graph.AddInitializer(name, SmallNet.Weights(random, 1 / Math.Sqrt(fanIn), dims));
    }

    public Value Ints(params long[] values) => Model.Graph.AddInitializer("ints", Tensor.Int64([values.Length], values));

    public Value Op(string opType, Value?[] inputs, params NodeAttribute[] attributes) => Ops(opType, inputs, 1, attributes)[0];

    public Value[] Ops(string opType, Value?[] inputs, int outputs, params NodeAttribute[] attributes) =>
        [.. Model.Graph.AddNode(opType, inputs, Enumerable.Range(0, outputs).Select(i => $"{opType}{i}"), attributes, name: $"{opType}{Model.Graph.Nodes.Count}").Outputs.Select(o => o!)];

    public Value Conv(Value x, int inputs, int outputs, int kernel = 3, int group = 1) =>
        Op("Conv", [x, Weights("w", outputs, inputs / group, kernel, kernel), Weights("b", outputs)], NodeAttribute.Of("group", group), NodeAttribute.Of("pads", [kernel / 2, kernel / 2, kernel / 2, kernel / 2]));

    public Value Gemm(Value x, int inputs, int outputs) => Op("Gemm", [x, Weights("fc", outputs, inputs), Weights("fcb", outputs)], NodeAttribute.Of("transB", 1));

    public Value Linear(Value x, int inputs, int outputs) => Op("Add", [Op("MatMul", [x, Weights("lin", inputs, outputs)]), Weights("linb", outputs)]);

    public Value Relu(Value x) => Op("Relu", [x]);

    public Value Norm(Value x, int channels) => Op("BatchNormalization", [x, Weights("scale", channels), Weights("shift", channels), Weights("mean", channels), Op("Abs", [Weights("variance", channels)])]);

    public Model Return(params Value[] outputs)
    {
        foreach (var output in outputs) Model.Graph.AddOutput(output);
        return Model;
    }
}

internal static class ChannelNets
{
    /// <summary>All nets by name.</summary>
    public static readonly IReadOnlyDictionary<string, Func<Model>> All = new Dictionary<string, Func<Model>>
    {
        ["plain"] = Plain,
        ["residual"] = Residual,
        ["depthwise"] = Depthwise,
        ["grouped by whole groups"] = () => Grouped(8, 16, 32),
        ["grouped, few groups"] = () => Grouped(2, 16, 32),
        ["concatenation of one tensor twice"] = ConcatTwice,
        ["concatenation and slices"] = ConcatSliceSplit,
        ["channel shuffle"] = Shuffle,
        ["squeeze and excite"] = SqueezeExcite,
        ["flattened picture"] = Flattened,
        ["flattened by a computed shape"] = FlattenedByComputedShape,
        ["channels last"] = ChannelsLast,
        ["transposed convolution"] = TransposedConvolution,
        ["up- and downsampling"] = Sampling,
        ["pixel shuffle"] = PixelShuffle,
        ["attention"] = () => Attention(false),
        ["attention, one product for all three"] = () => Attention(true),
        ["LSTM both ways"] = () => Recurrent("LSTM", 4, 2),
        ["GRU"] = () => Recurrent("GRU", 3, 1),
        ["RNN"] = () => Recurrent("RNN", 1, 1),
        ["tied weights"] = Tied,
        ["captured by subgraphs"] = Captured,
        ["slopes and gathers"] = SlopesAndGathers,
        ["group normalization"] = GroupNormalization,
        ["einsum"] = Einsum,
    };

    private static Model Plain()
    {
        var net = new NetBuilder(17, 1, 3, 8, 8);
        var c = net.Relu(net.Norm(net.Conv(net.Input, 3, 16), 16));
        c = net.Op("MaxPool", [net.Relu(net.Conv(c, 16, 24))], NodeAttribute.Of("kernel_shape", [2, 2]), NodeAttribute.Of("strides", [2, 2]));
        c = net.Op("Flatten", [net.Op("GlobalAveragePool", [c])]);
        return net.Return(net.Gemm(net.Relu(net.Gemm(c, 24, 16)), 16, 5));
    }

    private static Model Residual()
    {
        var net = new NetBuilder(17, "N", 3, 8, 8);
        var a = net.Relu(net.Conv(net.Input, 3, 16));
        var b = net.Relu(net.Op("Add", [a, net.Conv(net.Relu(net.Conv(a, 16, 24)), 24, 16)]));
        var c = net.Op("Add", [net.Conv(net.Relu(net.Conv(b, 16, 24)), 24, 32), net.Conv(b, 16, 32, 1)]);
        return net.Return(net.Gemm(net.Op("Flatten", [net.Op("GlobalMaxPool", [c])]), 32, 4));
    }

    private static Model Depthwise()
    {
        var net = new NetBuilder(17, 1, 3, 8, 8);
        var a = net.Op("Clip", [net.Conv(net.Input, 3, 16)]);
        var b = net.Relu(net.Conv(a, 16, 16, 3, 16));
        // Two filters per channel.
        var c = net.Relu(net.Conv(net.Conv(b, 16, 24, 1), 24, 48, 3, 24));
        return net.Return(net.Conv(c, 48, 4, 1));
    }

    private static Model Grouped(int group, int inputs, int outputs)
    {
        var net = new NetBuilder(17, 1, 3, 8, 8);
        var a = net.Relu(net.Conv(net.Input, 3, inputs));
        return net.Return(net.Conv(net.Relu(net.Conv(a, inputs, outputs, 3, group)), outputs, 4, 1));
    }

    private static Model ConcatTwice()
    {
        var net = new NetBuilder(17, 1, 3, 8, 8);
        var a = net.Relu(net.Conv(net.Input, 3, 16));
        var b = net.Op("Concat", [a, a, net.Relu(net.Conv(net.Input, 3, 8))], NodeAttribute.Of("axis", 1));
        return net.Return(net.Conv(b, 40, 4, 1));
    }

    private static Model ConcatSliceSplit()
    {
        var net = new NetBuilder(17, 1, 3, 8, 8);
        var a = net.Relu(net.Conv(net.Input, 3, 24));
        var left = net.Op("Slice", [a, net.Ints(0), net.Ints(8), net.Ints(1)]);
        var right = net.Op("Slice", [a, net.Ints(8), net.Ints(long.MaxValue), net.Ints(-3)]);
        var joined = net.Op("Concat", [net.Input, net.Conv(left, 8, 8), right], NodeAttribute.Of("axis", 1));
        var parts = net.Ops("Split", [net.Relu(net.Conv(joined, 27, 24)), net.Ints(16, 8)], 2, NodeAttribute.Of("axis", 1));
        return net.Return(net.Op("Add", [net.Conv(parts[0], 16, 4, 1), net.Conv(parts[1], 8, 4, 1)]));
    }

    private static Model Shuffle()
    {
        var net = new NetBuilder(17, 1, 3, 8, 8);
        var a = net.Relu(net.Conv(net.Input, 3, 16));
        var grouped = net.Op("Transpose", [net.Op("Reshape", [a, net.Ints(1, 2, 8, 8, 8)])], NodeAttribute.Of("perm", [0, 2, 1, 3, 4]));
        return net.Return(net.Conv(net.Op("Reshape", [grouped, net.Ints(1, -1, 8, 8)]), 16, 4, 1));
    }

    private static Model SqueezeExcite()
    {
        var net = new NetBuilder(17, 1, 3, 8, 8);
        var a = net.Relu(net.Conv(net.Input, 3, 16));
        var squeezed = net.Op("ReduceMean", [a], NodeAttribute.Of("axes", [2, 3]));
        var gate = net.Op("HardSigmoid", [net.Conv(net.Relu(net.Conv(squeezed, 16, 8, 1)), 8, 16, 1)]);
        return net.Return(net.Conv(net.Op("Mul", [a, gate]), 16, 4));
    }

    private static Model Flattened()
    {
        var net = new NetBuilder(17, "N", 3, 4, 4);
        var a = net.Relu(net.Conv(net.Input, 3, 16));
        return net.Return(net.Gemm(net.Relu(net.Gemm(net.Op("Flatten", [a]), 256, 24)), 24, 4));
    }

    private static Model FlattenedByComputedShape()
    {
        var net = new NetBuilder(17, "N", 3, 4, 4);
        var a = net.Relu(net.Conv(net.Input, 3, 16));
        var batch = net.Op("Gather", [net.Op("Shape", [a]), net.Ints(0)]);
        var flat = net.Op("Reshape", [a, net.Op("Concat", [batch, net.Ints(256)], NodeAttribute.Of("axis", 0))]);
        var bias = net.Op("Expand", [net.Weights("bias", 1), net.Op("Shape", [a])]);
        return net.Return(net.Gemm(flat, 256, 4), net.Op("ReduceSum", [net.Conv(net.Op("Mul", [a, bias]), 16, 4), net.Ints(2, 3)]));
    }

    private static Model ChannelsLast()
    {
        var net = new NetBuilder(17, 1, 8, 8, 3);
        var a = net.Relu(net.Conv(net.Op("Transpose", [net.Input], NodeAttribute.Of("perm", [0, 3, 1, 2])), 3, 16));
        var last = net.Op("Mul", [net.Op("Transpose", [a], NodeAttribute.Of("perm", [0, 2, 3, 1])), net.Weights("factor", 16)]);
        var b = net.Conv(net.Op("Transpose", [last], NodeAttribute.Of("perm", [0, 3, 1, 2])), 16, 8);
        var flat = net.Op("Reshape", [net.Op("Transpose", [b], NodeAttribute.Of("perm", [0, 2, 3, 1])), net.Ints(1, 512)]);
        return net.Return(net.Linear(flat, 512, 4));
    }

    private static Model TransposedConvolution()
    {
        var net = new NetBuilder(17, 1, 3, 8, 8);
        var a = net.Relu(net.Conv(net.Input, 3, 16));
        var b = net.Relu(net.Op("ConvTranspose", [a, net.Weights("up", 16, 8, 2, 2), net.Weights("upb", 8)], NodeAttribute.Of("strides", [2, 2])));
        var c = net.Op("ConvTranspose", [b, net.Weights("up", 8, 1, 2, 2)], NodeAttribute.Of("group", 8));
        return net.Return(net.Conv(c, 8, 4));
    }

    private static Model Sampling()
    {
        var net = new NetBuilder(17, 1, 3, 8, 8);
        var a = net.Op("Pad", [net.Relu(net.Conv(net.Input, 3, 16)), net.Ints(0, 0, 1, 1, 0, 0, 1, 1)]);
        var b = net.Op("AveragePool", [a], NodeAttribute.Of("kernel_shape", [2, 2]), NodeAttribute.Of("strides", [2, 2]));
        var c = net.Op("Resize", [net.Conv(b, 16, 16), null, null, net.Ints(1, 16, 10, 10)], NodeAttribute.Of("mode", "nearest"));
        var scales = net.Model.Graph.AddInitializer("scales", Tensor.Float([4], 1, 1, 2, 2));
        return net.Return(net.Conv(net.Op("Resize", [c, null, scales], NodeAttribute.Of("mode", "linear")), 16, 4));
    }

    private static Model PixelShuffle()
    {
        var net = new NetBuilder(17, 1, 3, 8, 8);
        var a = net.Op("DepthToSpace", [net.Conv(net.Input, 3, 32)], NodeAttribute.Of("blocksize", 2), NodeAttribute.Of("mode", "CRD"));
        var b = net.Op("SpaceToDepth", [net.Relu(net.Conv(a, 8, 8))], NodeAttribute.Of("blocksize", 2));
        return net.Return(net.Conv(b, 32, 4));
    }

    private static Model Attention(bool joint)
    {
        var net = new NetBuilder(17, "B", "S", 12);
        Value[] qkv = joint
            ? net.Ops("Split", [net.Linear(net.Input, 12, 96), net.Ints(32, 32, 32)], 3, NodeAttribute.Of("axis", -1))
            : [net.Linear(net.Input, 12, 32), net.Linear(net.Input, 12, 32), net.Linear(net.Input, 12, 32)];
        Value Heads(Value x, params long[] perm) => net.Op("Transpose", [net.Op("Reshape", [x, net.Ints(0, 0, 4, 8)])], NodeAttribute.Of("perm", perm));
        var scores = net.Op("Softmax", [net.Op("MatMul", [Heads(qkv[0], 0, 2, 1, 3), Heads(qkv[1], 0, 2, 3, 1)])], NodeAttribute.Of("axis", -1));
        var mixed = net.Op("Transpose", [net.Op("MatMul", [scores, Heads(qkv[2], 0, 2, 1, 3)])], NodeAttribute.Of("perm", [0, 2, 1, 3]));
        var y = net.Op("Add", [net.Input, net.Linear(net.Op("Reshape", [mixed, net.Ints(0, 0, 32)]), 32, 12)]);
        return net.Return(net.Op("Add", [y, net.Linear(net.Relu(net.Linear(y, 12, 24)), 24, 12)]));
    }

    private static Model Recurrent(string opType, int gates, int directions)
    {
        var net = new NetBuilder(17, 5, 1, 6);
        NodeAttribute[] attributes = directions == 2 ? [NodeAttribute.Of("hidden_size", 16), NodeAttribute.Of("direction", "bidirectional")] : [NodeAttribute.Of("hidden_size", 16)];
        var y = net.Op(opType, [net.Input, net.Weights("w", directions, gates * 16, 6), net.Weights("r", directions, gates * 16, 16), net.Weights("b", directions, 2 * gates * 16), null, net.Weights("h", directions, 1, 16)], attributes);
        var flat = net.Op("Reshape", [net.Op("Transpose", [y], NodeAttribute.Of("perm", [0, 2, 1, 3])), net.Ints(5, 1, -1)]);
        return net.Return(net.Linear(flat, directions * 16, 4));
    }

    private static Model Tied()
    {
        var net = new NetBuilder(17, 1, 16, 8, 8);
        var (w, b) = (net.Weights("w", 16, 16, 3, 3), net.Weights("b", 16));
        Value Shared(Value x) => net.Relu(net.Op("Conv", [x, w, b], NodeAttribute.Of("pads", [1, 1, 1, 1])));
        var a = net.Relu(net.Conv(net.Input, 16, 16));
        return net.Return(net.Conv(Shared(Shared(a)), 16, 4));
    }

    private static Model Captured()
    {
        var net = new NetBuilder(17, 1, 3, 8, 8);
        var a = net.Relu(net.Conv(net.Input, 3, 16));
        var condition = net.Op("Greater", [net.Op("ReduceMean", [net.Input], NodeAttribute.Of("keepdims", 0)), net.Weights("limit")]);
        var node = net.Model.Graph.AddNode("If", [condition], ["chosen"], name: "if");
        foreach (string branch in new[] { "then_branch", "else_branch" })
        {
            var body = new OnnxGraph(branch, net.Model.Graph);
            var hidden = body.AddNode("Conv", [a, net.Weights("inner", 8, 16, 1, 1)], ["hidden"], name: $"{branch}.0").Outputs[0];
            body.AddOutput(body.AddNode("Conv", [hidden, net.Weights("inner", 4, 8, 1, 1)], ["result"], name: $"{branch}.1").Outputs[0]!);
            node.SetAttribute(NodeAttribute.Of(branch, body));
        }

        return net.Return(node.Outputs[0]!);
    }

    private static Model SlopesAndGathers()
    {
        var net = new NetBuilder(17, 1, 3, 8, 8);
        var a = net.Op("PRelu", [net.Conv(net.Input, 3, 16), net.Weights("slope", 16, 1, 1)]);
        var reversed = net.Op("Gather", [a, net.Ints([.. Enumerable.Range(0, 16).Select(i => (long)(15 - i))])], NodeAttribute.Of("axis", 1));
        var b = net.Op("InstanceNormalization", [net.Conv(reversed, 16, 16), net.Weights("scale", 16), net.Weights("shift", 16)]);
        var rows = net.Op("Squeeze", [net.Op("GlobalAveragePool", [b]), net.Ints(2, 3)]);
        return net.Return(net.Gemm(net.Op("Squeeze", [net.Op("Unsqueeze", [rows, net.Ints(1)]), net.Ints(1)]), 16, 4));
    }

    private static Model GroupNormalization()
    {
        var net = new NetBuilder(17, 1, 3, 8, 8);
        var a = net.Conv(net.Input, 3, 32);
        var rows = net.Op("InstanceNormalization", [net.Op("Reshape", [a, net.Ints(0, 8, -1)]), net.Weights("scale", 8), net.Weights("shift", 8)]);
        var b = net.Op("Mul", [net.Op("Reshape", [rows, net.Op("Shape", [a])]), net.Weights("gain", 32, 1, 1)]);
        return net.Return(net.Conv(net.Relu(b), 32, 4));
    }

    private static Model Einsum()
    {
        var net = new NetBuilder(17, 2, 5, 12);
        var hidden = net.Op("Einsum", [net.Relu(net.Linear(net.Input, 12, 16)), net.Linear(net.Input, 12, 16)], NodeAttribute.Of("equation", "bsk,bsk->kbs"));
        return net.Return(net.Linear(net.Op("Transpose", [hidden], NodeAttribute.Of("perm", [1, 2, 0])), 16, 4));
    }
}
