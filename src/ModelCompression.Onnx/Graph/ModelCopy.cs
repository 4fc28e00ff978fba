namespace ModelCompression.Onnx.Graph;

/// <summary>
/// A second graph of the same model, to try something on: edits of one are not seen by the other. Constants are shared, so that a copy costs little; the copy is valid
/// as long as the original is not disposed.
/// </summary>
public sealed class ModelCopy
{
    private readonly NodeCopier copier;

    private ModelCopy(Model source, bool keepsDeclarations)
    {
        copier = new(keepsNames: true, keepsDeclarations);
        Model = new Model(new OnnxGraph(source.Graph.Name))
        {
            IrVersion = source.IrVersion,
            ProducerName = source.ProducerName,
            ProducerVersion = source.ProducerVersion,
            Domain = source.Domain,
            ModelVersion = source.ModelVersion,
            DocString = source.DocString,
            HasTrainingInfo = source.HasTrainingInfo,
            ExternalDataFiles = source.ExternalDataFiles,
            SourcePath = source.SourcePath,
            StoredByteLength = source.StoredByteLength,
            Notes = source.Notes,
            Opaque = source.Opaque,
        };
        foreach (var (domain, version) in source.OpsetImports.All) Model.OpsetImports[domain] = version;
        foreach (var entry in source.Metadata) Model.Metadata.Add(entry);
        foreach (var function in source.Functions) Model.AddFunction(Copy(function));
        copier.Copy(source.Graph, Model.Graph);
    }

    /// <summary>The copy.</summary>
    public Model Model { get; }

    /// <summary>The copies of values.</summary>
    public IReadOnlyDictionary<Value, Value> Values => copier.Values;

    /// <summary>The copies of nodes.</summary>
    public IReadOnlyDictionary<Node, Node> Nodes => copier.Nodes;

    /// <summary>Copies a model.</summary>
    /// <param name="model">The model.</param>
    /// <param name="keepsDeclarations">False to leave out what the file declares of values: when the copy is written, types are those that the values have then.</param>
    public static ModelCopy Of(Model model, bool keepsDeclarations = true) => new(model, keepsDeclarations);

    private Function Copy(Function source)
    {
        var function = new Function(source.Domain, source.Name, new OnnxGraph(source.Body.Name))
        {
            Overload = source.Overload,
            AttributeNames = source.AttributeNames,
            AttributeDefaults = source.AttributeDefaults,
            DocString = source.DocString,
            Opaque = source.Opaque,
        };
        foreach (var (domain, version) in source.OpsetImports.All) function.OpsetImports[domain] = version;
        copier.Copy(source.Body, function.Body);
        return function;
    }
}

/// <summary>What a file says beyond a graph, when it refers to the graph's values.</summary>
internal interface ICopiedOpaque
{
    /// <summary>The same for a copy of the graph.</summary>
    object CopyFor(IReadOnlyDictionary<Value, Value> copies);
}
