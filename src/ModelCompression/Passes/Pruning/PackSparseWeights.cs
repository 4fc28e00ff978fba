using System.Text;
using ModelCompression.Analysis;
using ModelCompression.Onnx.Graph;
using ModelCompression.Options;
using ModelCompression.Packing;
using ModelCompression.Passes.Float16;

namespace ModelCompression.Passes.Pruning;

/// <summary>Stores floating point weights with many zeros in fewer bytes; they unpack themselves when a session is created, bit for bit.</summary>
/// <remarks>
/// <c>SparseStorage=Dense</c> leaves weights alone; <c>Gaps</c> and <c>Bitmask</c> take that form where it saves bytes; <c>Auto</c> takes the form with the fewest.
/// A weight that a Cast converts, as <c>Quantization=Float16</c> leaves it, is unpacked in front of the Cast: zeros take no bytes, and the others two each.
/// A weight is unpacked once, in the graph that owns it. Weights in function bodies, and before IR version 4 all of them, are kept in <c>Constant</c> nodes.
/// </remarks>
/// <param name="widened">Weights that were stored in two bytes per element and shall be so again; null for none.</param>
public sealed class PackSparseWeights(WidenStoredWeights? widened = null) : ModelPass
{
    /// <inheritdoc/>
    protected override void Apply(Model model, CompressionSettings settings, PassLog log)
    {
        var catalog = WeightCatalog.Of(model);
        var sites = catalog.Weights.Concat(ConvertedWeights.Of(catalog))
            .Where(s => settings.For(s.Operator).SparseStorage != SparseStorage.Dense && s.Uses.All(u => settings.ReasonToSkip(u.Operator) is null))
            .ToArray();
        var plans = new PackingPlan[sites.Length];
        Parallel.For(0, sites.Length, i =>
        {
            plans[i] = TensorPacking.Plan(widened?.Narrowed(sites[i].Value, sites[i].Tensor) ?? sites[i].Tensor, Request(model, sites[i], settings));
            if (plans[i].Kind != PackingKind.Dense) plans[i].Prepare();
        });
        var sections = new Dictionary<OnnxGraph, UnpackingSection>(ReferenceEqualityComparer.Instance);
        for (int i = 0; i < sites.Length; i++)
        {
            if (plans[i].Kind == PackingKind.Dense)
            {
                Refuse(sites[i], plans[i], log);
                continue;
            }

            var graph = sites[i].Value.Graph;
            if (!sections.TryGetValue(graph, out var section)) sections.Add(graph, section = new UnpackingSection(graph));
            Record(sites[i], plans[i], log);
            var unpacked = plans[i].Emit(section, sites[i].Value.Name);
            if (plans[i].Tensor.DataType != sites[i].Tensor.DataType) unpacked = section.AddNode("Cast", [unpacked], sites[i].Value.Name, NodeAttribute.Of("to", (long)sites[i].Tensor.DataType));
            Replace(sites[i].Value, unpacked);
        }
    }

    private static PackingRequest Request(Model model, WeightSite site, CompressionSettings settings)
    {
        var root = site.Value.Graph;
        while (root.ParentNode?.Graph is { } outer) root = outer;
        var function = model.Functions.FirstOrDefault(f => f.Body == root);
        return new PackingRequest(settings.For(site.Operator).SparseStorage, (function?.OpsetImports ?? model.OpsetImports).Onnx)
        {
            UseConstantNodes = function is not null || model.IrVersion < 4,
            NameByteLength = Encoding.UTF8.GetByteCount(site.Value.Name),
        };
    }

    private static void Replace(Value weight, Value unpacked)
    {
        weight.ReplaceAllUsesWith(unpacked);
        if (weight.Producer is { } constant) constant.Graph!.RemoveNode(constant);
        else weight.Graph.RemoveInitializer(weight);
    }

    private void Record(WeightSite site, PackingPlan plan, PassLog log)
    {
        var record = PruningRecord.Of(log, site);
        record.HoldZeros(plan.Sparsity);
        record.CompressedBytes = plan.StoredByteLength;
        if (plan.PaletteBits > 0) record.Bits = plan.PaletteBits;
        string action = $"stored as {plan.Description}";
        record.AddAction(action);
        log.Applied(Name, site.Operator.DisplayName, action);
    }

    private void Refuse(WeightSite site, PackingPlan plan, PassLog log)
    {
        // Without zeros there is nothing to explain. They are not counted where the rules alone decide.
        if (plan.Sparsity == 0 && log.LayerOf(site.Value)?.PrunedShare is not > 0) return;
        log.Refused(Name, site.Operator.DisplayName, plan.Reason);
        PruningRecord.Of(log, site).Reason = $"stored dense: {plan.Reason}";
    }
}
