using ModelCompression.Options;

namespace ModelCompression.Packing;

/// <summary>What a packed form must respect.</summary>
/// <param name="Storage">
/// Form of the positions: <see cref="SparseStorage.Dense"/> stores every element, <see cref="SparseStorage.Gaps"/> and <see cref="SparseStorage.Bitmask"/> are
/// taken unless they take more bytes than storing every element, <see cref="SparseStorage.Auto"/> takes the fewest bytes.
/// </param>
/// <param name="Opset">Version of the standard operators in the graph or function that will hold the nodes.</param>
public sealed record PackingRequest(SparseStorage Storage, long Opset)
{
    /// <summary>Whether values that repeat may be stored as n-bit indices into a palette. The result is the same tensor either way.</summary>
    public bool AllowPalette { get; init; } = true;

    /// <summary>
    /// Whether constants are written as <c>Constant</c> nodes: needed in function bodies, which have no initializers, and before IR version 4, where every
    /// initializer has to be a graph input.
    /// </summary>
    public bool UseConstantNodes { get; init; }

    /// <summary>Length of the name the unpacked value will have; part of the stored bytes.</summary>
    public int NameByteLength { get; init; } = 16;
}
