using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Tests.Runtime;

namespace ModelCompression.Tests.Statistics;

/// <summary>A net with every kind of tensor that is reduced to extremes per channel, and beside each one that is not.</summary>
internal static class PictureNet
{
    private const float Sixth = 0.16666667f;

    /// <summary>Names of those that are reduced.</summary>
    public static string[] Reduced { get; } =
        ["conv", "relu", "padded", "second", "clip", "bounded", "signed", "joined", "mixed", "hardswish", "swish", "sum", "positive", "gate", "resized", "averaged", "padded sign", "raised relu"];

    private static string[] Whole { get; } = ["ones", "of input", "raised", "pooled", "of pooled"];

    /// <summary>All tensors.</summary>
    public static Value[] Tensors(Model model) => [.. Reduced.Concat(Whole).Select(name => model.Graph.Nodes.Single(n => n.Outputs[0]!.Name == name).Outputs[0]!)];

    /// <summary>Makes the net, for pictures [1, 3, H, W].</summary>
    /// <param name="channels">Channels; ONNX Runtime's own layout takes multiples of 8 or 16.</param>
    /// <param name="seed">Of the weights.</param>
    public static Model Make(int channels, int seed)
    {
        var model = SmallModel.Empty();
        var x = model.Input("x", DataType.Float, 1, 3, Dimension.OfSymbol("H"), Dimension.OfSymbol("W"));
        Value Number(string name, float value, params long[] dims) => model.Weight(name, Tensor.Float(dims, value));
        Value Conv(string name, Value input, int inputs, int number, int size = 3) => model.Node("Conv", name, input, model.Weight("w" + name, Tensor.Float([channels, inputs, size, size], RandomFloats.Make((10 * seed) + number, channels * inputs * size * size))));
        Value Padded(string name, Value input, float with) => model.Node("Pad", name, input, model.Weight("p" + name, Tensor.Int64([8], 0, 0, 1, 0, 0, 0, 0, 1)), Number("v" + name, with));
        Value Clip(string name, Value input, float min) => model.Node("Clip", name, input, Number("l" + name, min), Number("h" + name, 6));
        Value With(Value value, params NodeAttribute[] attributes)
        {
            foreach (var attribute in attributes) value.Producer!.SetAttribute(attribute);
            return value;
        }

        var conv = Conv("conv", x, 3, 1);
        var relu = model.Node("Relu", "relu", conv);
        var padded = Padded("padded", relu, 0);
        var second = Conv("second", padded, channels, 2);
        var clip = Clip("clip", second, 0);
        var bounded = Clip("bounded", conv, 0);
        var signed = Clip("signed", second, -1);
        var hardSwish = model.Node("Mul", "hardswish", conv, With(model.Node("HardSigmoid", "gate", conv), NodeAttribute.Of("alpha", Sixth), NodeAttribute.Of("beta", 0.5f)));
        Value[] ends =
        [
            Padded("ones", relu, 1), Padded("padded sign", second, 0), model.Node("Relu", "of input", x), bounded,
            With(model.Node("Concat", "joined", clip, clip), NodeAttribute.Of("axis", 1L)), With(model.Node("Concat", "mixed", clip, signed), NodeAttribute.Of("axis", 1L)),
            model.Node("Add", "raised", hardSwish, Number("c", 0.3f, 1)), model.Node("Add", "raised relu", Number("d", -0.7f), relu),
            model.Node("Mul", "swish", second, model.Node("Sigmoid", "sigmoid", second)), model.Node("Add", "sum", conv, relu), model.Node("Add", "positive", relu, bounded),
            With(model.Node("Resize", "resized", signed, null, null, model.Weight("sizes", Tensor.Int64([4], 1, channels, 23, 19))), NodeAttribute.Of("mode", "linear")),
            With(model.Node("AveragePool", "averaged", second), NodeAttribute.Of("kernel_shape", [2L, 3L])), Conv("of pooled", model.Node("GlobalAveragePool", "pooled", conv), channels, 3, 1),
        ];
        foreach (var end in ends) model.Output(end, DataType.Float, Dimension.Unknown, Dimension.Unknown, Dimension.Unknown, Dimension.Unknown);
        return model;
    }
}
