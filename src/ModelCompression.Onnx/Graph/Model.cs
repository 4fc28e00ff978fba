using ModelCompression.Onnx.Diagnostics;

namespace ModelCompression.Onnx.Graph;

/// <summary>Domain to version, in file order. <c>ai.onnx</c> and the empty domain are the same.</summary>
public sealed class OpsetImports
{
    private readonly List<KeyValuePair<string, long>> imports = [];

    /// <summary>The imports in file order.</summary>
    public IReadOnlyList<KeyValuePair<string, long>> All => imports;

    /// <summary>Version of the standard domain; 0 when not imported.</summary>
    public long Onnx => this[""];

    /// <summary>Version of a domain; 0 when not imported. Setting adds or replaces.</summary>
    public long this[string domain]
    {
        get => imports.Find(i => Same(i.Key, domain)).Value;
        set
        {
            int at = imports.FindIndex(i => Same(i.Key, domain));
            if (at >= 0) imports[at] = new(imports[at].Key, value);
            else imports.Add(new(domain, value));
        }
    }

    /// <summary>True if the domain is imported.</summary>
    public bool Contains(string domain) => imports.Exists(i => Same(i.Key, domain));

    /// <summary>Removes a domain.</summary>
    public void Remove(string domain) => imports.RemoveAll(i => Same(i.Key, domain));

    private static bool Same(string? a, string? b) => Normalize(a) == Normalize(b);

    private static string Normalize(string? domain) => domain is null or "ai.onnx" ? "" : domain;
}

/// <summary>A model-local function (IR 8).</summary>
public sealed class Function
{
    /// <summary>Makes a function around <paramref name="body"/>.</summary>
    public Function(string domain, string name, OnnxGraph body)
    {
        Domain = domain;
        Name = name;
        Body = body;
    }

    /// <summary>Domain of the calls.</summary>
    public string Domain { get; }

    /// <summary>Operator name of the calls.</summary>
    public string Name { get; }

    /// <summary>Overload (IR 10), usually empty.</summary>
    public string Overload { get; init; } = "";

    /// <summary>Inputs, nodes and outputs; values have no declared types.</summary>
    public OnnxGraph Body { get; }

    /// <summary>Opsets of the body.</summary>
    public OpsetImports OpsetImports { get; } = new();

    /// <summary>Names of attributes without a default.</summary>
    public IReadOnlyList<string> AttributeNames { get; init; } = [];

    /// <summary>Attributes with a default.</summary>
    public IReadOnlyList<NodeAttribute> AttributeDefaults { get; init; } = [];

    /// <summary>Documentation kept from the file.</summary>
    public string DocString { get; set; } = "";

    /// <summary>Unknown fields and metadata of the file, for the serializer.</summary>
    internal object? Opaque { get; set; }
}

/// <summary>An ONNX model. Disposing releases the mapped file its tensors may still refer to.</summary>
public sealed class Model : IDisposable
{
    private readonly List<IDisposable> resources = [];
    private readonly List<Function> functions = [];

    /// <summary>Makes a model around a main graph.</summary>
    public Model(OnnxGraph graph) => Graph = graph;

    /// <summary>The main graph.</summary>
    public OnnxGraph Graph { get; }

    /// <summary>IR version; see the ONNX versioning table.</summary>
    public long IrVersion { get; set; } = 8;

    /// <summary>Opset imports of the main graph.</summary>
    public OpsetImports OpsetImports { get; } = new();

    /// <summary>Model-local functions in file order.</summary>
    public IReadOnlyList<Function> Functions => functions;

    /// <summary>Producer as the file states it.</summary>
    public string ProducerName { get; set; } = "";

    /// <summary>Producer version as the file states it.</summary>
    public string ProducerVersion { get; set; } = "";

    /// <summary>Model domain.</summary>
    public string Domain { get; set; } = "";

    /// <summary>Model version.</summary>
    public long ModelVersion { get; set; }

    /// <summary>Documentation.</summary>
    public string DocString { get; set; } = "";

    /// <summary><c>metadata_props</c> in file order; keys are unique.</summary>
    public IList<KeyValuePair<string, string>> Metadata { get; } = [];

    /// <summary>True when the file has training information; it is kept as it is.</summary>
    public bool HasTrainingInfo { get; internal set; }

    /// <summary>Files other than the model itself that were read, full paths: its external data.</summary>
    public IReadOnlyList<string> ExternalDataFiles { get; internal set; } = [];

    /// <summary>Full path of the file the model was read from, or null.</summary>
    public string? SourcePath { get; internal set; }

    /// <summary>Bytes that the model took where it was read, external data included; 0 for a model made in memory.</summary>
    public long StoredByteLength { get; internal set; }

    /// <summary>What the reader found worth mentioning, none of it an error: an unknown IR version, nodes out of order.</summary>
    public IReadOnlyList<Diagnostic> Notes { get; internal set; } = [];

    /// <summary>Unknown fields, training info, configurations of the file, for the serializer.</summary>
    internal object? Opaque { get; set; }

    /// <summary>Main graph, its subgraphs, and the bodies of functions with theirs.</summary>
    public IEnumerable<OnnxGraph> AllGraphs() => Graph.SelfAndSubgraphs().Concat(functions.SelectMany(f => f.Body.SelfAndSubgraphs()));

    /// <summary>Adds a function.</summary>
    public void AddFunction(Function function) => functions.Add(function);

    /// <summary>Removes functions nothing calls.</summary>
    public int RemoveFunctions(Predicate<Function> match) => functions.RemoveAll(match);

    /// <summary>Sets a metadata entry, replacing one with the same key in place.</summary>
    public void SetMetadata(string key, string value)
    {
        for (int i = 0; i < Metadata.Count; i++)
        {
            if (Metadata[i].Key != key) continue;
            Metadata[i] = new(key, value);
            return;
        }

        Metadata.Add(new(key, value));
    }

    /// <summary>Keeps <paramref name="resource"/> alive until the model is disposed.</summary>
    public void Own(IDisposable resource) => resources.Add(resource);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var resource in resources) resource.Dispose();
        resources.Clear();
    }
}
