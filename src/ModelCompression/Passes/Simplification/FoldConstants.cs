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
/// for each connected group of nodes, or, when a group as a whole would grow, for the parts of it that do not. So compact weights that a model
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
        foreach (var scope in GraphScope.Of(model).ToArray())
        {
            var known = KnownValues.Of(scope);
            if (known.Nodes.Count > 0)
            {
                var plan = FoldingPlan.Choose(scope, known.Nodes, v => SerializedSize.AtMost(scope, v.Name, known.Tensors[v].DataType, known.Tensors[v].Dims, v.IsGraphOutput));
                Report(plan, known.Tensors, log);
                Store(scope, plan, plan.Values.Select(v => known.Tensors[v]));
            }

            if (evaluator is not null) FoldByEvaluator(scope, evaluator, [.. known.Nodes], log);
        }
    }

    private void FoldByEvaluator(GraphScope scope, IConstantEvaluator runtime, HashSet<Node> done, PassLog log)
    {
        var bounds = new Dictionary<Value, TensorBound>();
        var constants = new Dictionary<Value, Tensor>();
        var nodes = scope.Graph.Nodes.Where(n => !done.Contains(n) && ExactOperators.TryBound(n, scope, bounds, constants)).ToList();
        if (nodes.Count == 0) return;
        var plan = FoldingPlan.Choose(scope, nodes, v => SerializedSize.AtMost(scope, v.Name, bounds[v].Type, bounds[v].Dims, v.IsGraphOutput));
        foreach (var value in plan.Refused) log.Refused(Name, value.Name, $"up to {bounds[value].ByteLength} bytes would make the file larger");
        if (plan.Values.Count == 0) return;
        var wanted = plan.Values.Select(v => v.Producer!).Distinct().ToList();
        var subgraph = new ConstantSubgraph(scope.Model.IrVersion, scope.Opsets, wanted, constants, plan.Values);
        if (runtime.TryEvaluate(subgraph, out string? reason) is not { } tensors)
        {
            foreach (var value in plan.Values) log.Refused(Name, value.Name, reason ?? "not computed");
            return;
        }

        // A bound that does not hold would break the cap.
        if (plan.Values.Zip(tensors).Any(p => p.Second.Strings is not null || p.Second.ByteLength > bounds[p.First].ByteLength)) return;
        foreach (var value in plan.Values) log.Applied(Name, value.Name, "computed by the runtime");
        Store(scope, plan, tensors);
    }

    private void Report(FoldingPlan plan, Dictionary<Value, Tensor> tensors, PassLog log)
    {
        foreach (var value in plan.Refused) log.Refused(Name, value.Name, $"{tensors[value].ByteLength} bytes would make the file larger");
        foreach (var value in plan.Values) log.Applied(Name, value.Name, $"computed ahead: {tensors[value]}");
    }

    private static void Store(GraphScope scope, FoldingPlan plan, IEnumerable<Tensor> tensors)
    {
        foreach (var (value, tensor) in plan.Values.Zip(tensors).ToArray())
        {
            var constant = value.IsGraphOutput
                ? ConstantStorage.AddNode(scope, value.Name, tensor, value.Producer!)
                : ConstantStorage.Add(scope, value.Name, tensor, value.Producer!);
            value.ReplaceAllUsesWith(constant);
        }

        scope.Graph.RemoveNodes(plan.Dead);
        foreach (var constant in plan.GoneConstants) ConstantStorage.RemoveUnused(scope.Model, constant);
    }
}
