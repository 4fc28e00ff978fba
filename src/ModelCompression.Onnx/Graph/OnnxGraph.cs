using ModelCompression.Onnx.Tensors;
using ValueType = ModelCompression.Onnx.Tensors.ValueType;

namespace ModelCompression.Onnx.Graph;

/// <summary>
/// A mutable graph: the main graph, the body of a control-flow node, or the body of a function. Nodes are in topological order;
/// an edit that breaks the order is caught by <see cref="GraphVerifier"/>.
/// </summary>
public sealed class OnnxGraph
{
    private readonly List<Node> nodes = [];
    private readonly List<Value> inputs = [];
    private readonly List<Value> outputs = [];
    private readonly List<Value> initializers = [];
    private readonly ValueNames names;

    /// <summary>Makes an empty graph; a subgraph shares the name space of <paramref name="outer"/>.</summary>
    public OnnxGraph(string name = "", OnnxGraph? outer = null)
    {
        Name = name;
        names = outer?.names ?? new ValueNames();
    }

    /// <summary>Graph name.</summary>
    public string Name { get; set; }

    /// <summary>Documentation kept from the file.</summary>
    public string DocString { get; set; } = "";

    /// <summary>The control-flow node whose body this is, or null.</summary>
    public Node? ParentNode { get; internal set; }

    /// <summary>Nodes in execution order.</summary>
    public IReadOnlyList<Node> Nodes => nodes;

    /// <summary>Inputs, initializers listed as inputs included.</summary>
    public IReadOnlyList<Value> Inputs => inputs;

    /// <summary>Outputs; the same value may appear twice.</summary>
    public IReadOnlyList<Value> Outputs => outputs;

    /// <summary>Values that hold a stored constant, dense or sparse.</summary>
    public IReadOnlyList<Value> Initializers => initializers;

    /// <summary>Unknown fields, metadata, value annotations of the file, for the serializer.</summary>
    internal object? Opaque { get; set; }

    /// <summary>This graph and, depth first in node order, all graphs nested in it.</summary>
    public IEnumerable<OnnxGraph> SelfAndSubgraphs()
    {
        yield return this;
        foreach (var node in nodes)
            foreach (var subgraph in node.Subgraphs)
                foreach (var inner in subgraph.SelfAndSubgraphs())
                    yield return inner;
    }

    /// <summary>All nodes of this graph and of the graphs nested in it.</summary>
    public IEnumerable<Node> AllNodes() => SelfAndSubgraphs().SelectMany(g => g.nodes);

    /// <summary>A name no value of the whole model has, starting with <paramref name="wanted"/>; it is reserved at once.</summary>
    public string NewName(string wanted) => names.Take(wanted);

    /// <summary>Adds an input.</summary>
    public Value AddInput(string name, ValueType? type)
    {
        var value = NewValue(name);
        value.Type = type;
        value.IsGraphInput = true;
        inputs.Add(value);
        return value;
    }

    /// <summary>Takes a value off the input list; it keeps its uses and its initializer.</summary>
    public void RemoveInput(Value value)
    {
        if (inputs.Remove(value)) value.IsGraphInput = false;
    }

    /// <summary>Adds an initializer under a fresh name that starts with <paramref name="wantedName"/>.</summary>
    public Value AddInitializer(string wantedName, Tensor tensor)
    {
        var value = NewValue(NewName(wantedName));
        SetInitializer(value, tensor);
        return value;
    }

    /// <summary>Gives a value (new, or an input of this graph) its stored constant.</summary>
    public void SetInitializer(Value value, Tensor tensor)
    {
        if (value.Graph != this || value.Producer is not null) throw new ArgumentException("Only inputs and initializers of this graph take a constant.", nameof(value));
        if (value.Initializer is null && value.SparseInitializer is null) initializers.Add(value);
        value.Initializer = tensor;
        value.SparseInitializer = null;
        value.Type = new TensorType(tensor.DataType, Shape.Of(tensor.Dims));
    }

    /// <summary>Removes an initializer that nothing uses.</summary>
    /// <exception cref="InvalidOperationException">It is still used.</exception>
    public void RemoveInitializer(Value value) => RemoveInitializers([value]);

    /// <summary>Removes several initializers at once that nothing uses.</summary>
    /// <exception cref="InvalidOperationException">One is still used.</exception>
    public void RemoveInitializers(IReadOnlyCollection<Value> removed)
    {
        if (removed.FirstOrDefault(v => !v.IsUnused) is { } used) throw new InvalidOperationException($"Initializer '{used.Name}' is still used.");
        foreach (var value in removed) RemoveInput(value);
        if (removed.Count == 1) initializers.Remove(removed.Single());
        else initializers.RemoveAll(removed.ToHashSet().Contains);
        foreach (var value in removed)
        {
            value.Initializer = null;
            value.SparseInitializer = null;
        }
    }

    /// <summary>Appends a node, or inserts it at <paramref name="index"/>.</summary>
    /// <param name="opType">Operator.</param>
    /// <param name="inputValues">Inputs; null for omitted ones.</param>
    /// <param name="outputNames">Names of the outputs, made unique; an empty name omits the output.</param>
    /// <param name="attributes">Attributes.</param>
    /// <param name="domain">Domain; the caller sees to its opset import.</param>
    /// <param name="name">Node name.</param>
    /// <param name="index">Position, or null for the end.</param>
    public Node AddNode(string opType, IEnumerable<Value?> inputValues, IEnumerable<string> outputNames, IEnumerable<NodeAttribute>? attributes = null, string domain = "", string name = "", int? index = null)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(index ?? 0, nodes.Count);
        var node = new Node(domain, opType, name) { Graph = this };
        int i = 0;
        foreach (var input in inputValues)
        {
            if (input is not null) node.SetInput(i, input);
            else node.PadInput(i);
            i++;
        }

        foreach (string output in outputNames) node.AddOutput(output.Length == 0 ? null : NewValue(NewName(output)));
        foreach (var attribute in attributes ?? []) node.SetAttribute(attribute);
        nodes.Insert(index ?? nodes.Count, node);
        return node;
    }

    /// <summary>Gives a node an output that it omits so far.</summary>
    /// <param name="node">A node of this graph.</param>
    /// <param name="index">Number of the output.</param>
    /// <param name="name">Its name, made unique.</param>
    /// <exception cref="InvalidOperationException">The node has that output.</exception>
    public Value AddNodeOutput(Node node, int index, string name)
    {
        var value = NewValue(NewName(name));
        node.FillOutput(index, value);
        return value;
    }

    /// <summary>Adds a single-output node before <paramref name="position"/> and returns its output.</summary>
    public Value InsertBefore(Node position, string opType, IEnumerable<Value?> inputValues, string outputName, params IEnumerable<NodeAttribute> attributes) =>
        AddNode(opType, inputValues, [outputName], attributes, index: IndexOf(position)).Outputs[0]!;

    /// <summary>Position of a node.</summary>
    public int IndexOf(Node node) => nodes.IndexOf(node);

    /// <summary>Removes a node none of whose outputs is used; its subgraphs go with it.</summary>
    /// <exception cref="InvalidOperationException">An output is still used.</exception>
    public void RemoveNode(Node node) => RemoveNodes([node]);

    /// <summary>Removes several nodes at once; outputs may be used only among them.</summary>
    /// <exception cref="InvalidOperationException">An output is still used elsewhere.</exception>
    public void RemoveNodes(IEnumerable<Node> removed)
    {
        var set = removed.ToHashSet();
        foreach (var node in set)
            foreach (var output in node.Outputs)
                if (output is not null && (output.IsGraphOutput || output.IsReferencedByName || output.Uses.Any(u => !IsInside(u.Node, set))))
                    throw new InvalidOperationException($"Output '{output.Name}' of {node} is still used.");
        foreach (var node in set) node.Detach();
        // Passes that go node by node would otherwise ask the set about every node of the graph each time.
        if (set.Count == 1) nodes.Remove(set.Single());
        else nodes.RemoveAll(set.Contains);
    }

    /// <summary>Appends an output.</summary>
    public void AddOutput(Value value)
    {
        outputs.Add(value);
        value.AddOutputOf(this);
    }

    /// <summary>Drops the outputs from <paramref name="count"/> on; their values stay.</summary>
    public void TrimOutputs(int count)
    {
        for (int i = outputs.Count - 1; i >= count; i--)
        {
            var value = outputs[i];
            outputs.RemoveAt(i);
            value.RemoveOutputOf(this);
        }
    }

    /// <summary>
    /// Makes the graph return <paramref name="replacement"/> wherever it returned <paramref name="value"/>. The output names of a main graph
    /// belong to its interface, so there the two values exchange names, and what the file says about them.
    /// </summary>
    /// <exception cref="InvalidOperationException">
    /// <paramref name="replacement"/> is no inner value of this graph or is returned already, or <paramref name="value"/> is an input that the main
    /// graph returns as it is: its name cannot be given away.
    /// </exception>
    public void ReplaceOutput(Value value, Value replacement)
    {
        RequireReplaceable(value, replacement);
        bool isReturned = false;
        for (int i = 0; i < outputs.Count; i++)
        {
            if (outputs[i] != value) continue;
            outputs[i] = replacement;
            value.RemoveOutputOf(this);
            replacement.AddOutputOf(this);
            isReturned = true;
        }

        if (!isReturned) return;
        if (value.Type is not null) replacement.Type = value.Type;
        if (ParentNode is null) value.ExchangeIdentity(replacement);
    }

    /// <summary>Checks what <see cref="ReplaceOutput"/> needs, before anything is changed.</summary>
    internal void RequireReplaceable(Value value, Value replacement)
    {
        if (replacement.Graph != this || replacement.IsGraphInput || replacement.IsGraphOutput)
            throw new InvalidOperationException($"'{replacement.Name}' cannot take the place of output '{value.Name}'.");
        if (ParentNode is null && (value.IsGraphInput || value.Graph != this))
            throw new InvalidOperationException($"'{value.Name}' is an input that the graph returns; another value cannot have its name.");
    }

    /// <summary>Puts the nodes into a stable topological order (captured values count), keeping the given order where it is valid.</summary>
    /// <returns>False, with nothing changed, when the graph has a cycle.</returns>
    public bool TrySortTopologically() => TopologicalOrder.TrySort(nodes);

    /// <summary>Tells whether a name is in use in the main graph or function and all its subgraphs.</summary>
    public bool IsTaken(string name) => names.IsTaken(name);

    /// <summary>Gives a value of this graph that is not part of the model's interface another name. The old one stays reserved.</summary>
    /// <exception cref="InvalidOperationException">The name is taken, or the value's name belongs to the model's interface or is referred to elsewhere in the file.</exception>
    public void Rename(Value value, string name)
    {
        if (value.Graph != this || value.IsReferencedByName || (ParentNode is null && (value.IsGraphInput || value.OutputOf.Contains(this))))
            throw new InvalidOperationException($"'{value.Name}' is not a name that may change.");
        if (!names.Reserve(name)) throw new InvalidOperationException($"'{name}' is taken.");
        value.Name = name;
    }

    internal Value NewValue(string name)
    {
        names.Reserve(name);
        return new Value(this, name);
    }

    /// <summary>Keeps <see cref="NewName"/> away from a name that stands in the file without being a value.</summary>
    internal void ReserveName(string name) => names.Reserve(name);

    /// <summary>Adds a node whose names the file gives; used by the reader.</summary>
    internal void AppendNode(Node node)
    {
        node.Graph = this;
        nodes.Add(node);
    }

    internal void AddSparseInitializer(Value value, SparseTensor tensor)
    {
        initializers.Add(value);
        value.SparseInitializer = tensor;
        value.Type ??= new TensorType(tensor.Values.DataType, Shape.Of([.. tensor.Dims]));
    }

    /// <summary>Releases every use the graph's nodes and outputs hold, so that outer values forget them.</summary>
    internal void Dismantle()
    {
        foreach (var node in nodes) node.Detach();
        foreach (var output in outputs) output.RemoveOutputOf(this);
        nodes.Clear();
        outputs.Clear();
    }

    private static bool IsInside(Node node, HashSet<Node> set)
    {
        for (var at = node; at is not null; at = at.Graph?.ParentNode)
            if (set.Contains(at)) return true;
        return false;
    }
}
