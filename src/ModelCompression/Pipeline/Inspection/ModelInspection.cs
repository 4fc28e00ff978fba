using System.Text.Json;
using System.Text.Json.Serialization;
using ModelCompression.Reports;

namespace ModelCompression.Pipeline.Inspection;

/// <summary>What a model consists of, and what compression could do with it.</summary>
public sealed record ModelInspection
{
    /// <summary>Bytes, digest, parameters and multiply-accumulate operations.</summary>
    public required ModelFigures Figures { get; init; }

    /// <summary>Version of the format.</summary>
    public required long IrVersion { get; init; }

    /// <summary>Operator sets by domain; the ONNX domain is <c>ai.onnx</c>.</summary>
    public required IReadOnlyDictionary<string, long> Opsets { get; init; }

    /// <summary>Who made it, with version; may be empty.</summary>
    public required string Producer { get; init; }

    /// <summary>Metadata.</summary>
    public required IReadOnlyDictionary<string, string> Metadata { get; init; }

    /// <summary>Inputs as name and type.</summary>
    public required IReadOnlyList<string> Inputs { get; init; }

    /// <summary>Outputs as name and type.</summary>
    public required IReadOnlyList<string> Outputs { get; init; }

    /// <summary>Files with external data, relative to the model.</summary>
    public required IReadOnlyList<string> ExternalData { get; init; }

    /// <summary>The main graph, then functions of the model.</summary>
    public required IReadOnlyList<InspectedGraph> Graphs { get; init; }

    /// <summary>Nodes that compute with integers already.</summary>
    public required int QuantizedNodes { get; init; }

    /// <summary>Bytes of the weights that can be compressed.</summary>
    public required long CompressibleBytes { get; init; }

    /// <summary>How many numbers they are.</summary>
    public required long CompressibleWeights { get; init; }

    /// <summary>Bytes of other floating point constants.</summary>
    public required long OtherBytes { get; init; }

    /// <summary>The inspection as JSON.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, InspectionJson.Readable.ModelInspection);
}

/// <summary>A graph or subgraph.</summary>
/// <param name="Name">Its name, or the node and attribute it belongs to.</param>
/// <param name="Operators">Its operators, most bytes first.</param>
/// <param name="Subgraphs">Graphs of its control flow nodes.</param>
public sealed record InspectedGraph(string Name, IReadOnlyList<InspectedOperator> Operators, IReadOnlyList<InspectedGraph> Subgraphs);

/// <summary>All nodes of one operator in a graph.</summary>
/// <param name="OpType">The operator, with its domain unless it is ONNX's own.</param>
/// <param name="Count">Number of nodes.</param>
/// <param name="Bytes">Bytes of their weights.</param>
/// <param name="Weights">Their weights in graph order.</param>
public sealed record InspectedOperator(string OpType, int Count, long Bytes, IReadOnlyList<InspectedWeight> Weights);

/// <summary>A stored floating point constant.</summary>
/// <param name="Node">First consumer.</param>
/// <param name="Name">Name of the value.</param>
/// <param name="Type">Element type and shape.</param>
/// <param name="Bytes">Bytes.</param>
/// <param name="Compressible">True if pruning and quantization can work on it.</param>
/// <param name="Role">What it does for its consumer, or why it cannot be compressed.</param>
public sealed record InspectedWeight(string Node, string Name, string Type, long Bytes, bool Compressible, string Role);

/// <summary>Generated serialization.</summary>
[JsonSerializable(typeof(ModelInspection))]
internal sealed partial class InspectionJson : JsonSerializerContext
{
    /// <summary>For people and programs.</summary>
    public static InspectionJson Readable { get; } = new(JsonReport.Format());
}
