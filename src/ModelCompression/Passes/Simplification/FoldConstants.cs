using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;

namespace ModelCompression.Passes.Simplification;

/// <summary>Computes nodes ahead whose inputs are constant, unless that would make the file larger.</summary>
/// <remarks>
/// <para>Shape arithmetic, also that of values with a known static shape, and operators that only move elements are computed here; a few others
/// by the evaluator, all of them in one go. Only operators with an exact result are folded: one that rounds differently on another CPU would
/// give different files. Never folded: random operators, operators with subgraphs, DequantizeLinear (runtimes keep it for their integer kernels),
/// and nodes inside functions that take attributes of the call.</para>
/// <para>The growth cap: the new constants take at most as many bytes as the nodes and constants take that are no longer needed. It holds
/// for each connected group of nodes, subgraphs included, or, when a group as a whole would grow, for the parts of it that do not. So compact weights that a model
/// unpacks by itself stay compact.</para>
/// <para>Refused, with a reason: results that would grow the file; results that a subgraph returns by capture. Stored values are
/// bitwise what the nodes would compute; a runtime may still choose another kernel for an operator whose input has become constant.</para>
/// </remarks>
public sealed class FoldConstants : ModelPass
{
    private readonly IConstantEvaluator? evaluator;

    /// <summary>Makes the pass.</summary>
    /// <param name="evaluator">Computes what this pass cannot itself, or null.</param>
    public FoldConstants(IConstantEvaluator? evaluator = null) => this.evaluator = evaluator;

    /// <inheritdoc/>
    protected override void Apply(Model model, CompressionSettings settings, PassLog log)
    {
        var roots = model.Functions.Select(f => new GraphScope(model, f.Body, f.OpsetImports, true)).Prepend(new(model, model.Graph, model.OpsetImports, false));
        foreach (var root in roots)
        {
            var known = KnownValues.Of(root);
            if (known.Nodes.Count > 0) FoldKnown(root, known, log);
            if (evaluator is not null) FoldByEvaluator(root, evaluator, [.. known.Nodes], log);
        }
    }

    private void FoldKnown(GraphScope root, KnownValues known, PassLog log)
    {
        var constants = new FoldedConstants(root, v => new(known.Tensors[v].DataType, known.Tensors[v].Dims.ToArray()), v => known.Tensors[v]);
        var plan = FoldingPlan.Choose(root, known.Nodes, constants);
        foreach (var value in plan.Refused) log.Refused(Name, value.Name, constants.WhyNot(value) ?? $"{known.Tensors[value].ByteLength} bytes would make the file larger");
        foreach (var value in plan.Values) log.Applied(Name, value.Name, $"computed ahead: {known.Tensors[value]}");
        constants.Store(v => known.Tensors[v]);
        RemoveDead(root, plan);
    }

    private void FoldByEvaluator(GraphScope root, IConstantEvaluator runtime, HashSet<Node> done, PassLog log)
    {
        var bounds = new Dictionary<Value, TensorBound>();
        var inputs = new Dictionary<Value, Tensor>();
        var nodes = root.Graph.AllNodes().Where(n => !done.Contains(n) && ExactOperators.TryBound(n, root, bounds, inputs)).ToList();
        if (nodes.Count == 0) return;
        var constants = new FoldedConstants(root, v => bounds[v], _ => null);
        var plan = FoldingPlan.Choose(root, nodes, constants);
        foreach (var value in plan.Refused) log.Refused(Name, value.Name, constants.WhyNot(value) ?? $"up to {bounds[value].ByteLength} bytes would make the file larger");
        if (plan.Values.Count == 0) return;
        var wanted = plan.Values.Select(v => v.Producer!).Distinct().ToList();
        if (runtime.TryEvaluate(new(root.Model.IrVersion, root.Opsets, wanted, inputs, plan.Values), out string? reason) is not { } tensors)
        {
            foreach (var value in plan.Values) log.Refused(Name, value.Name, reason ?? "not computed");
            return;
        }

        // A bound that does not hold would break the cap.
        var results = plan.Values.Zip(tensors).ToDictionary(p => p.First, p => p.Second);
        if (results.Any(r => r.Value.Strings is not null || r.Value.ByteLength > bounds[r.Key].ByteLength)) return;
        foreach (var value in plan.Values) log.Applied(Name, value.Name, "computed by the runtime");
        constants.Store(v => results[v]);
        RemoveDead(root, plan);
    }

    /// <summary>Inner graphs first, so that outer nodes have lost their captured uses.</summary>
    private static void RemoveDead(GraphScope root, FoldingPlan plan)
    {
        foreach (var graph in root.Graph.SelfAndSubgraphs().Reverse().ToArray()) graph.RemoveNodes(plan.Dead.Where(n => n.Graph == graph).ToArray());
        foreach (var constant in plan.GoneConstants) ConstantStorage.RemoveUnused(root.Model, constant);
    }
}
