using ModelCompression.Analysis;
using ModelCompression.Data;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Passes.Float16;
using ModelCompression.Passes.Simplification;
using ModelCompression.Runtime;

namespace ModelCompression.Pipeline.Inspection;

/// <summary>Looks into a model without running or changing it.</summary>
public sealed class ModelInspector
{
    private readonly Dictionary<Node, List<InspectedWeight>> weights = new(ReferenceEqualityComparer.Instance);
    private readonly IReadOnlyList<Tensor> compressible;
    private readonly IReadOnlyList<UntreatedConstant> others;

    private ModelInspector(Model model)
    {
        var catalog = WeightCatalog.Of(model);
        foreach (var site in catalog.Weights) Add(site.Operator, site.Value, site.Tensor, true, RoleText(site));
        var widened = new HashSet<Value>(WidenStoredWeights.Find(model).Select(w => w.Value), ReferenceEqualityComparer.Instance);
        // Doubles are converted ahead like all constants whose conversion takes less room.
        var converted = ConvertedWeights.Of(catalog).Where(s => widened.Contains(s.Value) || (s.Tensor.DataType == DataType.Double && !GraphScope.IsOverridable(model, s.Value))).ToArray();
        foreach (var site in converted) Add(site.Operator, site.Value, site.Tensor, true, RoleText(site) + ", behind a Cast");
        compressible = [.. catalog.Weights.Concat(converted).Select(s => s.Tensor)];
        var taken = new HashSet<Value>(converted.Select(s => s.Value), ReferenceEqualityComparer.Instance);
        others = [.. catalog.Others.Where(o => !taken.Contains(o.Value))];
        foreach (var other in others)
            if (other.Value.Uses.Count > 0) Add(ConsumerOf(other.Value.Uses[0]), other.Value, other.Tensor, false, other.Reason);
    }

    /// <summary>Inspects a file.</summary>
    /// <exception cref="Onnx.Diagnostics.DiagnosticException">MCB2xxx: it cannot be read.</exception>
    public static ModelInspection Inspect(string path)
    {
        using var model = OnnxReader.Read(path);
        var inspector = new ModelInspector(model);
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        var ports = ModelInterface.Of(model);
        return new ModelInspection
        {
            Figures = ModelFiguresOf(path, model, FirstSampleOf(model)),
            IrVersion = model.IrVersion,
            Opsets = new SortedDictionary<string, long>(model.OpsetImports.All.ToDictionary(o => o.Key.Length == 0 ? "ai.onnx" : o.Key, o => o.Value), StringComparer.Ordinal),
            Producer = $"{model.ProducerName} {model.ProducerVersion}".Trim(),
            Metadata = new SortedDictionary<string, string>(model.Metadata.DistinctBy(m => m.Key).ToDictionary(m => m.Key, m => m.Value), StringComparer.Ordinal),
            Inputs = [.. ports.Inputs.Select(p => p.ToString())],
            Outputs = [.. ports.Outputs.Select(p => p.ToString())],
            ExternalData = [.. model.ExternalDataFiles.Select(f => Path.GetRelativePath(folder, f).Replace('\\', '/')).Order(StringComparer.Ordinal)],
            Graphs = [inspector.Look(model.Graph, "main graph"), .. model.Functions.Select(f => inspector.Look(f.Body, $"function {f.Domain}.{f.Name}"))],
            QuantizedNodes = AlreadyQuantized.Of(model).Nodes.Count,
            CompressibleBytes = inspector.compressible.Sum(w => w.ByteLength),
            CompressibleWeights = inspector.compressible.Sum(w => w.ElementCount),
            OtherBytes = inspector.others.Sum(o => o.Tensor.ByteLength),
        };
    }

    /// <summary>Size figures of a file, as reports have them.</summary>
    /// <param name="path">The file.</param>
    /// <param name="model">Its graph.</param>
    /// <param name="sample">Input sizes to count operations with; null for open sizes as 1.</param>
    internal static Reports.ModelFigures ModelFiguresOf(string path, Model model, Sample? sample) => ModelCounter.CountUnpacked(model) with
    {
        Bytes = model.StoredByteLength,
        Sha256 = FileDigest.Sha256(path),
        Macs = ModelCounter.Macs(model, sample),
    };

    /// <summary>The sizes that a comparison without data begins with.</summary>
    private static Sample? FirstSampleOf(Model model) => SyntheticInputs.For(model) is { Count: > 0 } samples ? samples.Read(0, 0) : null;

    private InspectedGraph Look(OnnxGraph graph, string name)
    {
        var operators = graph.Nodes.Where(n => !n.Is("Constant")).GroupBy(OperatorName)
            .Select(g => g.SelectMany(n => weights.GetValueOrDefault(n) ?? []).ToList() is var own ? new InspectedOperator(g.Key, g.Count(), own.Sum(w => w.Bytes), own) : null!)
            .OrderByDescending(o => o.Bytes).ThenByDescending(o => o.Count).ThenBy(o => o.OpType, StringComparer.Ordinal);
        var subgraphs = graph.Nodes.SelectMany(n => n.Subgraphs.Select(s => Look(s, $"{n.OpType} {n.DisplayName}")));
        return new InspectedGraph(name, [.. operators], [.. subgraphs]);
    }

    /// <summary>The node that uses a constant, which is not one that only converts it.</summary>
    private static Node ConsumerOf(Use use) => ConvertedWeights.Readers(use) is [var reader, ..] ? reader.Node : use.Node;

    private void Add(Node node, Value value, Tensor tensor, bool compressible, string role)
    {
        if (!weights.TryGetValue(node, out var list)) weights.Add(node, list = []);
        list.Add(new(node.DisplayName, value.Name, tensor.ToString(), tensor.ByteLength, compressible, role));
    }

    private static string OperatorName(Node node) => node.IsOnnxDomain ? node.OpType : $"{node.Domain}.{node.OpType}";

    private static string RoleText(WeightSite site) => site.Role switch
    {
        WeightRole.Convolution => "filters",
        WeightRole.TransposedConvolution => "filters of a transposed convolution",
        WeightRole.MatrixProduct => "matrix",
        WeightRole.TensorProduct => "operand of a tensor product",
        WeightRole.Embedding => "table of embeddings",
        _ => "recurrent weights",
    } + (site.Uses.Count > 1 ? $", used {site.Uses.Count} times" : "");
}
