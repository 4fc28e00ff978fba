using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Packing;

/// <summary>One constant or node of a packed form.</summary>
/// <param name="Suffix">Last part of the value's name.</param>
internal abstract record RecipeStep(string Suffix)
{
    /// <summary>Steps with the same key have the same value and are emitted once; null = never shared.</summary>
    public string? SharingKey { get; init; }
}

/// <summary>A stored constant whose bytes are made when they are needed.</summary>
internal sealed record ConstantStep(string Suffix, DataType Type, long[] Dims, Func<Tensor> Make) : RecipeStep(Suffix)
{
    public long DataByteLength => Type.ByteLength(Tensor.CountElements(Dims));
}

/// <summary>A single-output node; inputs are positions of earlier steps.</summary>
internal sealed record NodeStep(string Suffix, string OpType, int[] Inputs, NodeAttribute[] Attributes) : RecipeStep(Suffix);

/// <summary>A value that is in the graph already; given when the recipe is emitted.</summary>
internal sealed record GivenStep(string Suffix) : RecipeStep(Suffix);
