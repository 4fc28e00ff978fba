using ModelCompression.Analysis.Channels;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Passes.Quantization.Static;

namespace ModelCompression.Runtime.Calibration;

/// <summary>Tells which tensors of a model lie in the layout of ONNX Runtime's convolutions, [N, C/16, H, W, 16] or the like, or would without anybody looking at them, and which have no elements below 0.</summary>
internal sealed class PictureTensors
{
    private readonly Dictionary<Value, bool> pictures = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<Value, bool> positives = new(ReferenceEqualityComparer.Instance);

    /// <summary>True if convolutions of pictures and what keeps their layout make the tensor: [N, C, H, W] of binary32.</summary>
    public bool IsPicture(Value? tensor)
    {
        if (tensor?.Producer is not { IsOnnxDomain: true } node) return false;
        if (!pictures.TryGetValue(tensor, out bool known)) pictures.Add(tensor, known = MakesPicture(node));
        return known;
    }

    /// <summary>True if no element can be below 0.</summary>
    public bool IsPositive(Value? tensor)
    {
        if (tensor?.Producer is not { IsOnnxDomain: true } node) return false;
        if (!positives.TryGetValue(tensor, out bool known)) positives.Add(tensor, known = MakesPositive(node));
        return known;
    }

    /// <summary>True for zeros at the sides of pictures, which change no channel's largest element if there are none below 0.</summary>
    public static bool AddsZeros(Node node)
    {
        if (!node.Is("Pad") || node.GetString("mode", "constant") != "constant" || node.GetFloat("value", 0) != 0 || node.Input(3) is not null) return false;
        if (node.Input(2) is { } value && !(value.TryGetConstant(out var number) && number is { DataType: DataType.Float, ElementCount: 1 } && number.AsSpan<float>()[0] == 0)) return false;
        var pads = ConstantIntegers.Of(node, "pads", 1);
        return pads is not null && pads.All(p => p >= 0) && pads.Length % 2 == 0 && pads.Where((_, i) => i % (pads.Length / 2) < 2).All(p => p == 0);
    }

    private bool MakesPicture(Node node) => node.OpType switch
    {
        // Behind global pooling there are channels without pictures, which are as well looked at whole.
        "Conv" => node.Inputs[1]!.TryGetConstant(out var weight) && weight is { DataType: DataType.Float, Rank: 4 } && !IsPooled(node.Inputs[0]!),
        "Relu" or "Clip" or "LeakyRelu" or "HardSigmoid" or "Sigmoid" or "Tanh" or "MaxPool" or "AveragePool" => IsPicture(node.Inputs[0]),
        "Resize" => IsPicture(node.Inputs[0]),
        "Add" or "Mul" => node.Inputs.All(IsPicture),
        "Concat" => node.GetInt("axis", 0) == 1 && node.Inputs.All(IsPicture),
        _ => false,
    };

    private static bool IsPooled(Value tensor)
    {
        while (tensor.Producer is { } node && (node.OpType is "Relu" or "Clip" or "HardSigmoid" or "Sigmoid" or "Conv") && node.Inputs[0] is { } input)
        {
            if (node.OpType == "Conv" && !(node.Inputs[1]!.TryGetConstant(out var weight) && weight.Dims[2..].ToArray().All(d => d == 1))) return false;
            tensor = input;
        }

        return tensor.Producer is { OpType: "GlobalAveragePool" or "GlobalMaxPool" or "ReduceMean" or "ReduceMax" };
    }

    private bool MakesPositive(Node node) => node.OpType switch
    {
        "Relu" or "Clip" => ValueBounds.Of(node) is { Min: >= 0 },
        "HardSigmoid" or "Sigmoid" => true,
        "MaxPool" or "AveragePool" => IsPositive(node.Inputs[0]),
        // A cubic curve overshoots, and a crop is filled with any number.
        "Resize" => IsPositive(node.Inputs[0]) && node.GetString("mode", "nearest") != "cubic" && node.GetString("coordinate_transformation_mode", "half_pixel") != "tf_crop_and_resize",
        "Pad" => AddsZeros(node) && IsPositive(node.Inputs[0]),
        "Add" or "Mul" or "Concat" => node.Inputs.All(IsPositive),
        _ => false,
    };
}
