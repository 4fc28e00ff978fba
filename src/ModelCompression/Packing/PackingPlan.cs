using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Packing;

/// <summary>How one tensor will be stored. Making a plan counts; packing happens in <see cref="Prepare"/> or when it is emitted.</summary>
public sealed class PackingPlan
{
    private readonly PackingRequest request;
    private readonly PackingRecipe recipe;
    private Dictionary<ConstantStep, Tensor>? prepared;

    internal PackingPlan(PackingKind kind, Tensor tensor, PackingRequest request, PackingRecipe recipe, string reason)
    {
        Kind = kind;
        Reason = reason;
        StoredByteLength = recipe.ByteLength(request);
        this.request = request;
        this.recipe = recipe;
        Tensor = tensor;
    }

    /// <summary>The chosen form.</summary>
    public PackingKind Kind { get; }

    /// <summary>Why this form, in particular why not the one asked for or a smaller one; may be empty.</summary>
    public string Reason { get; internal set; }

    /// <summary>Bytes in the file: data, nodes, names and shapes; a little more than it takes when a section is shared.</summary>
    public long StoredByteLength { get; }

    /// <summary>Bytes of the plain initializer in the file.</summary>
    public long DenseByteLength { get; internal init; }

    /// <summary>Fraction of elements that have the background value (+0 for floating point), 0 when it was not counted.</summary>
    public double Sparsity { get; internal set; }

    /// <summary>Bits of a distance of <see cref="PackingKind.Gaps"/>, else 0.</summary>
    public int GapBits { get; internal init; }

    /// <summary>Bits of a palette index, or 0 when values are stored as they are or there is only one.</summary>
    public int PaletteBits { get; internal init; }

    /// <summary>What will be unpacked.</summary>
    internal Tensor Tensor { get; }

    /// <summary>Short description: <c>gaps 5 bit</c>, <c>bitmask, palette 4 bit</c>, …</summary>
    public string Description
    {
        get
        {
            if (Kind == PackingKind.Palette && PaletteBits == 0) return "one value";
            string values = PaletteBits > 0 ? FormattableString.Invariant($"palette {PaletteBits} bit") : "";
            string positions = Kind switch
            {
                PackingKind.Gaps => FormattableString.Invariant($"gaps {GapBits} bit"),
                PackingKind.Bitmask => "bitmask",
                PackingKind.Dense => "dense",
                _ => "",
            };
            return positions.Length > 0 && values.Length > 0 ? $"{positions}, {values}" : positions + values;
        }
    }

    /// <summary>Packs the data ahead of emission; different plans may be prepared at the same time.</summary>
    public void Prepare() => prepared ??= recipe.Prepare();

    /// <summary>Adds the constants and nodes to a graph and returns the value that equals the tensor in type, shape and bits.</summary>
    /// <param name="graph">The graph that owns the value; consumers may be in its subgraphs.</param>
    /// <param name="insertBefore">The nodes go before this one; null = first in the graph.</param>
    /// <param name="name">Wanted name of the result, made unique.</param>
    /// <exception cref="ArgumentException"><paramref name="insertBefore"/> is not in <paramref name="graph"/>.</exception>
    public Value Emit(OnnxGraph graph, Node? insertBefore, string name) => Emit(new UnpackingSection(graph, insertBefore), name);

    /// <summary>The same for several weights of one graph, which then share what they can.</summary>
    /// <param name="section">Where the nodes go.</param>
    /// <param name="name">Wanted name of the result, made unique.</param>
    public Value Emit(UnpackingSection section, string name)
    {
        Prepare();
        var value = recipe.Emit(section, name, request.UseConstantNodes, prepared!);
        value.Type = new TensorType(Tensor.DataType, Shape.Of(Tensor.Dims));
        return value;
    }
}
