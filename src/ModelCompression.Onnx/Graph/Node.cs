using System.Diagnostics.CodeAnalysis;

namespace ModelCompression.Onnx.Graph;

/// <summary>An operator call. Edits keep the use-def chains of its values right.</summary>
public sealed class Node
{
    private readonly List<Value?> inputs = [];

    /// <summary>Per input, where its value lists this use, so that changing an input does not search.</summary>
    private readonly List<int> usePositions = [];
    private readonly List<Value?> outputs = [];
    private readonly List<NodeAttribute> attributes = [];

    internal Node(string domain, string opType, string name)
    {
        Domain = domain;
        OpType = opType;
        Name = name;
    }

    /// <summary>Operator domain as written; empty or <c>ai.onnx</c> for the standard one.</summary>
    public string Domain { get; }

    /// <summary>Operator name.</summary>
    public string OpType { get; }

    /// <summary>Overload of a model-local function call (IR 10), usually empty.</summary>
    public string Overload { get; init; } = "";

    /// <summary>Node name; may be empty and need not be unique in the file.</summary>
    public string Name { get; set; }

    /// <summary>The graph it stands in, or null once removed.</summary>
    public OnnxGraph? Graph { get; internal set; }

    /// <summary>Inputs; null for an omitted optional input.</summary>
    public IReadOnlyList<Value?> Inputs => inputs;

    /// <summary>Outputs; null for an omitted optional output.</summary>
    public IReadOnlyList<Value?> Outputs => outputs;

    /// <summary>Attributes in file order.</summary>
    public IReadOnlyList<NodeAttribute> Attributes => attributes;

    /// <summary>Documentation kept from the file.</summary>
    public string DocString { get; set; } = "";

    /// <summary>Unknown fields and metadata of the file, for the serializer.</summary>
    internal object? Opaque { get; set; }

    /// <summary>True for the standard ONNX domain.</summary>
    public bool IsOnnxDomain => Domain is "" or "ai.onnx";

    /// <summary>What to call the node in messages: its name, else its operator and first output.</summary>
    public string DisplayName => Name.Length > 0 ? Name : $"{OpType}({outputs.FirstOrDefault(o => o is not null)?.Name})";

    /// <summary>All subgraphs among the attributes.</summary>
    public IEnumerable<OnnxGraph> Subgraphs => attributes.SelectMany(a => a.Graphs);

    /// <summary>True in function bodies when an attribute gets its value from the function's caller: what the node computes is then not known.</summary>
    public bool IsParameterized => attributes.Exists(a => a.ReferencedName is not null);

    /// <summary>True if it is operator <paramref name="opType"/> of the standard domain.</summary>
    public bool Is(string opType) => OpType == opType && IsOnnxDomain;

    /// <summary>The input at <paramref name="index"/>, or null when omitted or beyond the end.</summary>
    public Value? Input(int index) => index < inputs.Count ? inputs[index] : null;

    /// <summary>The output at <paramref name="index"/>, or null when omitted or beyond the end.</summary>
    public Value? Output(int index = 0) => index < outputs.Count ? outputs[index] : null;

    /// <summary>Finds an attribute.</summary>
    public bool TryGetAttribute(string name, [NotNullWhen(true)] out NodeAttribute? attribute)
    {
        attribute = attributes.Find(a => a.Name == name);
        return attribute is not null;
    }

    /// <summary>An integer attribute, or <paramref name="defaultValue"/> when absent, of another kind, or supplied by the function (<see cref="IsParameterized"/>).</summary>
    public long GetInt(string name, long defaultValue) =>
        TryGetAttribute(name, out var a) && a.Holds(AttributeType.Int) ? a.Int : defaultValue;

    /// <summary>A float attribute, or <paramref name="defaultValue"/> when absent, of another kind, or supplied by the function (<see cref="IsParameterized"/>).</summary>
    public float GetFloat(string name, float defaultValue) =>
        TryGetAttribute(name, out var a) && a.Holds(AttributeType.Float) ? a.Float : defaultValue;

    /// <summary>A string attribute, or <paramref name="defaultValue"/> when absent, of another kind, or supplied by the function (<see cref="IsParameterized"/>).</summary>
    public string GetString(string name, string defaultValue) =>
        TryGetAttribute(name, out var a) && a.Holds(AttributeType.String) ? a.Text : defaultValue;

    /// <summary>An integer list attribute, or null when absent, of another kind, or supplied by the function (<see cref="IsParameterized"/>).</summary>
    public IReadOnlyList<long>? GetInts(string name) =>
        TryGetAttribute(name, out var a) && a.Holds(AttributeType.Ints) ? a.Ints : null;

    /// <summary>Sets an attribute, replacing one of the same name in place.</summary>
    public void SetAttribute(NodeAttribute attribute)
    {
        int at = attributes.FindIndex(a => a.Name == attribute.Name);
        if (at >= 0) RemoveAttributeAt(at);
        attributes.Insert(at >= 0 ? at : attributes.Count, attribute);
        foreach (var subgraph in attribute.Graphs) subgraph.ParentNode = this;
    }

    /// <summary>Removes an attribute if present; its subgraphs are dismantled.</summary>
    public void RemoveAttribute(string name)
    {
        int at = attributes.FindIndex(a => a.Name == name);
        if (at >= 0) RemoveAttributeAt(at);
    }

    /// <summary>Exchanges one input, extending the list with omitted inputs when <paramref name="index"/> lies beyond its end.</summary>
    public void SetInput(int index, Value? value)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        PadInput(index);
        inputs[index]?.RemoveUseAt(usePositions[index]);
        inputs[index] = value;
        usePositions[index] = value?.AddUse(new Use(this, index)) ?? -1;
    }

    /// <summary>Drops the inputs from <paramref name="count"/> on.</summary>
    public void TrimInputs(int count)
    {
        for (int i = inputs.Count - 1; i >= count; i--)
        {
            inputs[i]?.RemoveUseAt(usePositions[i]);
            inputs.RemoveAt(i);
            usePositions.RemoveAt(i);
        }
    }

    /// <summary>Makes position <paramref name="index"/> exist, as an omitted input if it is new.</summary>
    internal void PadInput(int index)
    {
        while (inputs.Count <= index)
        {
            inputs.Add(null);
            usePositions.Add(-1);
        }
    }

    /// <summary>Called by a value that has moved its entry for an input.</summary>
    internal void MoveUse(int index, int position) => usePositions[index] = position;

    internal void AddOutput(Value? value)
    {
        if (value is not null)
        {
            value.Producer = this;
            value.OutputIndex = outputs.Count;
        }

        outputs.Add(value);
    }

    /// <summary>Takes a value for an output that was omitted.</summary>
    internal void FillOutput(int index, Value value)
    {
        while (outputs.Count <= index) outputs.Add(null);
        if (outputs[index] is not null) throw new InvalidOperationException($"Output {index} of {this} is there already.");
        (outputs[index], value.Producer, value.OutputIndex) = (value, this, index);
    }

    /// <summary>Cuts all ties: inputs lose their uses, subgraphs are dismantled.</summary>
    internal void Detach()
    {
        TrimInputs(0);
        for (int i = attributes.Count - 1; i >= 0; i--)
            foreach (var subgraph in attributes[i].Graphs) subgraph.Dismantle();
        Graph = null;
    }

    private void RemoveAttributeAt(int index)
    {
        foreach (var subgraph in attributes[index].Graphs) subgraph.Dismantle();
        attributes.RemoveAt(index);
    }

    /// <inheritdoc/>
    public override string ToString() => $"{OpType} '{DisplayName}'";
}
