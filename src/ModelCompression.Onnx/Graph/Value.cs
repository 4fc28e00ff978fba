using System.Diagnostics.CodeAnalysis;
using ModelCompression.Onnx.Tensors;
using ValueType = ModelCompression.Onnx.Tensors.ValueType;

namespace ModelCompression.Onnx.Graph;

/// <summary>One place where a value is consumed: input <paramref name="Index"/> of <paramref name="Node"/>.</summary>
/// <param name="Node">The consumer; may live in a subgraph of the value's graph (a captured value).</param>
/// <param name="Index">Input position.</param>
public readonly record struct Use(Node Node, int Index);

/// <summary>
/// A named edge of the graph: produced by a node, fed as a graph input, or stored as an initializer. Identity is the object, never the name.
/// </summary>
public sealed class Value
{
    private readonly List<Use> uses = [];
    private readonly List<OnnxGraph> outputOf = [];

    internal Value(OnnxGraph graph, string name)
    {
        Graph = graph;
        Name = name;
    }

    /// <summary>Name in the file; unique in its graph and never shadowing an outer one.</summary>
    public string Name { get; internal set; }

    /// <summary>The graph that defines the value.</summary>
    public OnnxGraph Graph { get; internal set; }

    /// <summary>The node that computes it, or null.</summary>
    public Node? Producer { get; internal set; }

    /// <summary>Position among the producer's outputs.</summary>
    public int OutputIndex { get; internal set; }

    /// <summary>Declared or inferred type, or null when unknown.</summary>
    public ValueType? Type { get; set; }

    /// <summary>The declared type as a tensor type, or null.</summary>
    public TensorType? TensorType => Type as TensorType;

    /// <summary>The stored constant of an initializer, or null. Set through <see cref="OnnxGraph"/>.</summary>
    public Tensor? Initializer { get; internal set; }

    /// <summary>The sparse initializer as the file states it, or null.</summary>
    public SparseTensor? SparseInitializer { get; internal set; }

    /// <summary>True if it is one of <see cref="OnnxGraph.Inputs"/>.</summary>
    public bool IsGraphInput { get; internal set; }

    /// <summary>True if some graph returns it.</summary>
    public bool IsGraphOutput => outputOf.Count > 0;

    /// <summary>The graphs that return it, one entry per output position; more than one only when subgraphs return captured values.</summary>
    public IReadOnlyList<OnnxGraph> OutputOf => outputOf;

    /// <summary>
    /// All consuming node inputs, captured uses in subgraphs included, in no particular (but reproducible) order; graph outputs are not among
    /// them (<see cref="OutputOf"/>).
    /// </summary>
    public IReadOnlyList<Use> Uses => uses;

    /// <summary>True if no node and no graph output consumes it and nothing refers to it by name.</summary>
    public bool IsUnused => uses.Count == 0 && outputOf.Count == 0 && !IsReferencedByName;

    /// <summary>True when a training section or similar refers to it by name, so that it must neither change nor disappear.</summary>
    public bool IsReferencedByName { get; internal set; }

    /// <summary>Documentation kept from the file.</summary>
    public string DocString { get; set; } = "";

    /// <summary>Unknown fields and metadata of the file, for the serializer.</summary>
    internal object? Opaque { get; set; }

    /// <summary>Gets the constant behind the value: an initializer, or the tensor of a <c>Constant</c> node in any of its attribute forms.</summary>
    /// <remarks>An initializer that is also a graph input counts as constant: ONNX Runtime does not ask for it either.</remarks>
    public bool TryGetConstant([NotNullWhen(true)] out Tensor? constant)
    {
        constant = Initializer ?? (Producer is { OpType: "Constant", IsOnnxDomain: true } node ? ConstantNode.TryGetTensor(node) : null);
        return constant is not null;
    }

    /// <summary>Exchanges the content of a constant where it is stored, for all consumers: an initializer, or a <c>Constant</c> node in any of its attribute forms.</summary>
    /// <remarks>The type of a <c>Constant</c> node's output stays as it is.</remarks>
    public void SetConstant(Tensor tensor)
    {
        if (Producer is not { } node)
        {
            Graph.SetInitializer(this, tensor);
            return;
        }

        foreach (string name in node.Attributes.Select(a => a.Name).Where(n => n != "value").ToArray()) node.RemoveAttribute(name);
        node.SetAttribute(NodeAttribute.Of("value", tensor));
    }

    /// <summary>Makes every consumer (captured uses and graph outputs included) use <paramref name="replacement"/> instead.</summary>
    /// <remarks>A main graph output keeps its name: see <see cref="OnnxGraph.ReplaceOutput"/>, which also says when this is refused.</remarks>
    /// <exception cref="InvalidOperationException">A graph that returns this value cannot return the other; nothing is changed.</exception>
    public void ReplaceAllUsesWith(Value replacement)
    {
        if (replacement == this) return;
        var returning = outputOf.Distinct().ToArray();
        if (returning.Length > 1) throw new InvalidOperationException($"'{Name}' is returned by several graphs; one value cannot replace it in all of them.");
        foreach (var graph in returning) graph.RequireReplaceable(this, replacement);
        foreach (var use in uses.ToArray()) use.Node.SetInput(use.Index, replacement);
        foreach (var graph in returning) graph.ReplaceOutput(this, replacement);
    }

    /// <summary>Gives this value the name of one whose place it has taken; the two values exchange their names.</summary>
    /// <exception cref="InvalidOperationException">A name belongs to the model's interface, or the values are of different graphs.</exception>
    public void TakeNameOf(Value other)
    {
        if (Graph != other.Graph || IsGraphInput || other.IsGraphInput || (Graph.ParentNode is null && (IsGraphOutput || other.IsGraphOutput)))
            throw new InvalidOperationException($"'{Name}' cannot take the name of '{other.Name}'.");
        (Name, other.Name) = (other.Name, Name);
    }

    /// <summary>Puts this value where another one is used, under its name; a value that graphs return, or that is referred to by its name, keeps that name for itself.</summary>
    /// <exception cref="InvalidOperationException">Several graphs return the other value, or the two are of different graphs.</exception>
    public void TakePlaceOf(Value other)
    {
        bool isReturned = other.IsGraphOutput;
        other.ReplaceAllUsesWith(this);
        if (!isReturned && !other.IsReferencedByName) TakeNameOf(other);
    }

    /// <summary>Adds a use and returns its position for <see cref="RemoveUseAt"/>.</summary>
    internal int AddUse(Use use)
    {
        uses.Add(use);
        return uses.Count - 1;
    }

    /// <summary>Removes the use at a position, in constant time: the last one takes its place.</summary>
    internal void RemoveUseAt(int position)
    {
        var last = uses[^1];
        uses.RemoveAt(uses.Count - 1);
        if (position == uses.Count) return;
        uses[position] = last;
        last.Node.MoveUse(last.Index, position);
    }

    /// <summary>Exchanges the names of two values, and what the file says under these names.</summary>
    internal void ExchangeIdentity(Value other)
    {
        (Name, other.Name) = (other.Name, Name);
        (DocString, other.DocString) = (other.DocString, DocString);
        (Opaque, other.Opaque) = (other.Opaque, Opaque);
        (IsReferencedByName, other.IsReferencedByName) = (other.IsReferencedByName, IsReferencedByName);
    }

    internal void AddOutputOf(OnnxGraph graph) => outputOf.Add(graph);

    internal void RemoveOutputOf(OnnxGraph graph) => outputOf.Remove(graph);

    /// <inheritdoc/>
    public override string ToString() => Name;
}
