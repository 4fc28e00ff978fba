using System.Text;
using ModelCompression.Analysis;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;

namespace ModelCompression.Passes.Simplification;

/// <summary>What shortening the names inside a model would change and save.</summary>
internal sealed class NameShortening
{
    /// <summary>Bytes from which names are worth touching, if they are <see cref="MinSavedRatio"/> of the model.</summary>
    private const long MinSavedByteLength = 4096;

    /// <summary>Part of the model as it was read: about half a percent of what quantization leaves of it.</summary>
    private const double MinSavedRatio = 0.00125;

    /// <summary>Fewer bytes from which they are worth touching, if they are <see cref="SmallModelRatio"/> of the model: networks of 200 KB miss 1/3.5 for them.</summary>
    private const long SmallModelByteLength = 1024;

    /// <summary>Part of the model as it was read: about 2 % of what quantization leaves of it.</summary>
    private const double SmallModelRatio = 0.005;

    private readonly List<(Value Value, string Name)> values = [];
    private readonly List<(Node Node, string Name)> nodes = [];
    private readonly List<Value> undeclared = [];

    private NameShortening()
    {
    }

    /// <summary>Bytes that it saves in the file.</summary>
    public long SavedByteLength { get; private set; }

    /// <summary>Bytes that it saves besides those of the names under which some of the values are stored: their own, and those of <c>Constant</c> nodes.</summary>
    public long SavedByteLengthBeside(IReadOnlySet<Value> stored) =>
        SavedByteLength - values.Where(v => stored.Contains(v.Value)).Sum(v => Difference(v.Value.Name, v.Name))
        - nodes.Where(n => n.Node.Output() is { } output && stored.Contains(output)).Sum(n => Difference(n.Node.Name, n.Name));

    /// <summary>Values with their new names.</summary>
    public IReadOnlyList<(Value Value, string Name)> Values => values;

    /// <summary>Nodes whose names begin alike, with what is left of the names.</summary>
    public IReadOnlyList<(Node Node, string Name)> Nodes => nodes;

    /// <summary>Values whose declared types follow from the rest of the model.</summary>
    public IReadOnlyList<Value> Undeclared => undeclared;

    /// <summary>Plans the shortening of a model's names; null where it is not worth while or not possible.</summary>
    public static NameShortening? Of(Model model)
    {
        if (model.HasTrainingInfo) return null;
        var plan = new NameShortening();
        plan.PlanValues(model);
        plan.PlanNodes(model.Graph);
        long least = LeastSaved(model.StoredByteLength);
        if (plan.SavedByteLength + model.Graph.SelfAndSubgraphs().SelectMany(DefinedIn).Sum(v => Declarations.ByteLengthOf(v)) < least) return null;
        plan.PlanDeclarations(model);
        return plan.SavedByteLength < least ? null : plan;
    }

    private static long LeastSaved(long modelByteLength)
    {
        long usual = Math.Max(MinSavedByteLength, (long)(modelByteLength * MinSavedRatio));
        return modelByteLength == 0 ? usual : Math.Min(usual, Math.Max(SmallModelByteLength, (long)(modelByteLength * SmallModelRatio)));
    }

    /// <summary>Edits the model.</summary>
    public void Apply()
    {
        foreach (var value in undeclared) Declarations.Remove(value);
        foreach (var (value, name) in values) value.Graph.Rename(value, name);
        foreach (var (node, name) in nodes) node.Name = name;
    }

    private static IEnumerable<Value> DefinedIn(OnnxGraph graph) =>
        graph.Inputs.Concat(graph.Initializers.Where(v => !v.IsGraphInput)).Concat(graph.Nodes.SelectMany(n => n.Outputs.OfType<Value>()));

    private static long Difference(string name, string shorter) => Encoding.UTF8.GetByteCount(name) - Encoding.UTF8.GetByteCount(shorter);

    private static bool IsFixed(Value value) =>
        value.IsReferencedByName || (value.Graph.ParentNode is null && (value.IsGraphInput || value.OutputOf.Contains(value.Graph)));

    /// <summary>Texts of attributes and metadata may mean values of that name, for operators and tools that are not known here.</summary>
    private static HashSet<string> TextsOf(Model model)
    {
        var texts = model.Metadata.Select(m => m.Value).ToHashSet(StringComparer.Ordinal);
        foreach (var attribute in model.Graph.AllNodes().SelectMany(n => n.Attributes))
        {
            if (attribute.Holds(AttributeType.String)) texts.Add(attribute.Text);
            else if (attribute.Holds(AttributeType.Strings)) texts.UnionWith(attribute.Strings.Select(s => Encoding.UTF8.GetString(s.Span)));
        }

        return texts;
    }

    private void PlanValues(Model model)
    {
        var texts = TextsOf(model);
        var free = new ShortNames(model.Graph.IsTaken);
        foreach (var value in model.Graph.SelfAndSubgraphs().SelectMany(DefinedIn))
        {
            if (IsFixed(value) || value.Name.Length <= 2 || texts.Contains(value.Name)) continue;
            string name = free.Next();
            int occurrences = 1 + value.Uses.Count + value.OutputOf.Count + (Declarations.ByteLengthOf(value) > 0 ? 1 : 0);
            SavedByteLength += Difference(value.Name, name) * occurrences;
            values.Add((value, name));
        }
    }

    /// <summary>Names of nodes stay recognizable: only path parts at the beginning that all of them share go.</summary>
    private void PlanNodes(OnnxGraph graph)
    {
        Node[] named = [.. graph.AllNodes().Where(n => n.Name.Length > 0)];
        if (named.Length < 2) return;
        ReadOnlySpan<char> shared = named[0].Name;
        foreach (var node in named) shared = shared[..shared.CommonPrefixLength(node.Name)];
        int length = shared.LastIndexOf('/') + 1;
        if (length < 2 || named.Any(n => n.Name.Length == length)) return;
        foreach (var node in named) nodes.Add((node, node.Name[length..]));
        SavedByteLength += nodes.Sum(n => Difference(n.Node.Name, n.Name));
    }

    private void PlanDeclarations(Model model)
    {
        var declared = model.Graph.SelfAndSubgraphs().SelectMany(DefinedIn).Where(v => !IsFixed(v) && !v.IsGraphInput && Declarations.ByteLengthOf(v) > 0).ToArray();
        if (declared.Length == 0) return;
        var copy = ModelCopy.Of(model, keepsDeclarations: false);
        foreach (var value in declared)
            if (copy.Values[value] is { Initializer: null } inner) inner.Type = null;
        var types = ShapeInference.Run(copy.Model);
        foreach (var value in declared)
        {
            if (value.OutputOf.Count > 0 || !Declarations.Follow(value, types.TypeOf(copy.Values[value]))) continue;
            undeclared.Add(value);
            SavedByteLength += Declarations.ByteLengthOf(value) + 2;
        }
    }
}
