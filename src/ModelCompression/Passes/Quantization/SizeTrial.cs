using ModelCompression.Analysis;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Passes.Float16;
using ModelCompression.Passes.Quantization.BiasCorrection;
using ModelCompression.Passes.Simplification;

namespace ModelCompression.Passes.Quantization;

/// <summary>Finds how many bytes a model would take, exactly: writes the weights into a copy of the graph, without their content, and lets the passes that come later do their work on it.</summary>
/// <remarks>Which codes are stored sparse is not known before they are; they count as dense here.</remarks>
/// <param name="model">The model as it is before weights are written.</param>
/// <param name="settings">Settings.</param>
/// <param name="names">How long names will be.</param>
/// <param name="newlyBiased">Layers that will get a bias of their own.</param>
/// <param name="finished">Runs the later passes on a model, which is of no other use then, and gives its bytes.</param>
internal sealed class SizeTrial(Model model, CompressionSettings settings, NameStyle names, IReadOnlyList<BiasedLayer> newlyBiased, Func<Model, long> finished)
{
    private readonly BlankTensors blanks = new();

    /// <summary>Bytes of the model with weights as planned.</summary>
    /// <param name="decisions">The plans.</param>
    /// <param name="wideBiases">Layers whose biases stay in binary32.</param>
    public long ByteLength(IReadOnlyList<WeightDecision> decisions, IReadOnlySet<Node> wideBiases)
    {
        var copy = ModelCopy.Of(model);
        var scope = GraphScope.Of(copy.Model).First();
        var exact = decisions.Where(d => d.Plan is { Precision.IsHalf: true } && IsBinary16(d.Site.Tensor)).Select(d => d.Site.Node).ToHashSet();
        foreach (var layer in newlyBiased.Where(l => !exact.Contains(l.Layer.Node))) layer.On(copy, scope)?.Shift(Ones(layer.Layer.OutputChannels), scope);
        // Once weights are written, constants are read by what unpacks them, and biases are no longer seen as such.
        var wide = wideBiases.Select(n => copy.Nodes[n]).ToHashSet();
        BiasPlan[] narrow = [.. new BiasPlanner(copy.Model, settings, names).Plan(WeightCatalog.Of(copy.Model)).Where(b => !b.Readers.Any(wide.Contains))];
        WriteWeights(decisions, copy);
        foreach (var bias in narrow) Float16Storage.Write(copy.Model, bias.Bias.Value, bias.Rounded.Tensor, [.. bias.Bias.Value.Uses], "b0");
        return finished(copy.Model);
    }

    private void WriteWeights(IReadOnlyList<WeightDecision> decisions, ModelCopy copy)
    {
        var targets = GraphTarget.AllOf(copy.Model);
        var writers = targets.Values.ToDictionary(t => t.Graph, t => new ConstantWriter(t));
        int number = 0;
        foreach (var decision in decisions)
        {
            if (decision.Plan is not { } plan) continue;
            plan = plan with { Site = Copied(plan.Site, copy), Target = targets[copy.Values[plan.Site.Value].Graph] };
            WeightWriter.Write(plan, EncodedWeight.ForSize(plan, blanks), CodeStorage.ForSize(plan, blanks), writers[plan.Target.Graph], number++);
        }
    }

    private static WeightSite Copied(WeightSite site, ModelCopy copy) =>
        site with { Value = copy.Values[site.Value], Uses = [.. site.Uses.Select(u => u with { Node = copy.Nodes[u.Node], Operator = copy.Nodes[u.Operator] })] };

    /// <summary>True for weights that were stored as binary16 once: rounding them again shifts nothing, and needs no bias.</summary>
    private static bool IsBinary16(Tensor tensor)
    {
        if (tensor.DataType != DataType.Float) return false;
        foreach (float element in tensor.AsSpan<float>())
            if ((float)(Half)element != element) return false;
        return true;
    }

    private static float[] Ones(int count)
    {
        float[] ones = new float[count];
        Array.Fill(ones, 1);
        return ones;
    }
}
