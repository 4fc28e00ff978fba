using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Simplification;

/// <summary>
/// The constants that folding stores. Equal ones, such as the same weights rearranged in both branches of an If, are stored once, in the
/// innermost graph that all their users see.
/// </summary>
internal sealed class FoldedConstants
{
    private const long FreeInitializersIrVersion = 4;

    private readonly GraphScope root;
    private readonly Func<Value, TensorBound> boundOf;
    private readonly Func<Value, Tensor?> contentOf;
    private readonly HashSet<Value> values = [];
    private readonly List<List<Value>> stored = [];
    private readonly Dictionary<Tensor, List<Value>> shared = new(TensorContent.Comparer);

    /// <summary>Makes an empty set.</summary>
    /// <param name="root">The main graph or a function body.</param>
    /// <param name="boundOf">Type and largest shape of a value.</param>
    /// <param name="contentOf">Its content, when that is known before all values are chosen.</param>
    public FoldedConstants(GraphScope root, Func<Value, TensorBound> boundOf, Func<Value, Tensor?> contentOf)
    {
        this.root = root;
        this.boundOf = boundOf;
        this.contentOf = contentOf;
    }

    /// <summary>Why a value cannot become a constant at all; null when it can.</summary>
    public string? WhyNot(Value value) => root.IsFunction || value.IsGraphOutput || (root.Model.IrVersion < FreeInitializersIrVersion && value.Graph != root.Model.Graph)
        ? ConstantNode.WhyNot(root.Opset, boundOf(value).Type)
        : null;

    public bool Contains(Value value) => values.Contains(value);

    /// <summary>Adds values if they take at most <paramref name="maxByteLength"/> bytes, each content counted once.</summary>
    public bool TryAdd(List<Value> fresh, long maxByteLength)
    {
        if (fresh.Any(v => WhyNot(v) is not null)) return false;
        // Contents are looked at only when they decide, since large ones are computed for it.
        if (fresh.Sum(Size) > maxByteLength && (AtBest(fresh) > maxByteLength || SizeOfDistinct(fresh) > maxByteLength)) return false;
        foreach (var value in fresh) Add(value);
        return true;
    }

    /// <summary>Stores the constants and makes all consumers use them.</summary>
    public void Store(Func<Value, Tensor> tensorOf)
    {
        foreach (var equal in stored)
        {
            var first = equal[0];
            var scope = root with { Graph = equal.Select(v => v.Graph).Aggregate(CommonGraph) };
            var constant = first.IsGraphOutput
                ? ConstantStorage.AddNode(scope, first.Name, tensorOf(first), first.Producer!)
                : ConstantStorage.Add(scope, first.Name, tensorOf(first), first.Producer!);
            foreach (var value in equal) value.ReplaceAllUsesWith(constant);
        }
    }

    private void Add(Value value)
    {
        values.Add(value);
        if (SharedContent(value) is not { } content) stored.Add([value]);
        else if (shared.TryGetValue(content, out var equal)) equal.Add(value);
        else
        {
            shared.Add(content, equal = [value]);
            stored.Add(equal);
        }
    }

    /// <summary>Size if all values of one type and shape were equal, and equal to a stored one.</summary>
    private long AtBest(List<Value> fresh)
    {
        var seen = shared.Keys.Select(t => t.ToString()).ToHashSet(StringComparer.Ordinal);
        return fresh.Where(v => seen.Add(boundOf(v).ToString())).Sum(Size);
    }

    private long SizeOfDistinct(List<Value> fresh)
    {
        var counted = new HashSet<Tensor>(TensorContent.Comparer);
        return fresh.Where(v => SharedContent(v) is not { } content || (!shared.ContainsKey(content) && counted.Add(content))).Sum(Size);
    }

    private long Size(Value value) => SerializedSize.AtMost(root, value.Name, boundOf(value).Type, boundOf(value).Dims, value.IsGraphOutput);

    /// <summary>The content of a value that may share its storage: large, not an output by name, and where initializers exist in every graph.</summary>
    private Tensor? SharedContent(Value value)
    {
        if (value.IsGraphOutput || root.IsFunction || root.Model.IrVersion < FreeInitializersIrVersion) return null;
        return boundOf(value).ByteLength < ShareDuplicateInitializers.MinOuterByteLength ? null : contentOf(value);
    }

    private static OnnxGraph CommonGraph(OnnxGraph a, OnnxGraph b)
    {
        var outer = new HashSet<OnnxGraph>();
        for (var at = a; at is not null; at = at.ParentNode?.Graph) outer.Add(at);
        var common = b;
        while (!outer.Contains(common)) common = common.ParentNode!.Graph!;
        return common;
    }
}
