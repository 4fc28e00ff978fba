using ModelCompression.Numerics.Products;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Gradients;

/// <summary>
/// Convolutions that follow each other from an input of the model on, with one filter per channel or of single pixels but for the first one. Their backward pass is left to whoever runs the graph:
/// between operators of a runtime their many small values would be moved more than computed with.
/// </summary>
/// <param name="Links">The convolutions, in the model's order.</param>
/// <param name="Result">Output with the result of the last one and its activation function, channels last.</param>
/// <param name="Gradient">Output with the gradient of that.</param>
/// <param name="GradientForm">How that lies.</param>
public sealed record ConvolutionChain(IReadOnlyList<ChainLink> Links, string Result, string Gradient, PixelForm GradientForm)
{
    /// <summary>Outputs of the graph that the backward pass reads.</summary>
    public IEnumerable<string> Outputs => Links.Where(l => !l.IsModelInput).Select(l => l.Input).Append(Result).Append(Gradient);
}

/// <summary>How the pixels of a value lie.</summary>
public enum PixelForm
{
    /// <summary>Channel by channel: [N, C, H, W].</summary>
    Planes,

    /// <summary>Pixel by pixel: [N, H, W, C].</summary>
    Rows,

    /// <summary>All alike: [N, C].</summary>
    Repeated,
}

/// <summary>A convolution of a chain.</summary>
/// <param name="Input">Output with its input, or the model's input.</param>
/// <param name="AreInputRows">True if the input's channels are last, as those of all but the first convolution are.</param>
/// <param name="Sizes">The convolution.</param>
/// <param name="Limits">Of its activation function.</param>
/// <param name="Weight">Its weight [M, C/G, kernel].</param>
/// <param name="Wanted">Number of the weight in the request, or null where its gradient is not asked for.</param>
public sealed record ChainLink(string Input, bool AreInputRows, ConvolutionSizes Sizes, ActivationLimits Limits, Tensor Weight, int? Wanted)
{
    /// <summary>True if <see cref="Input"/> is an input of the model, not an output of the graph.</summary>
    public bool IsModelInput { get; init; }
}
