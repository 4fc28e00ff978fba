using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using TensorPrimitives = System.Numerics.Tensors.TensorPrimitives;

namespace ModelCompression.Passes.Simplification;

/// <summary>
/// The map y ↦ factor·y + shift per output channel that a node applies to a linear layer's output, and its absorption into the layer's weights:
/// W′ = factor·W and b′ = factor·b + shift, in double precision and rounded once to the stored type.
/// </summary>
/// <param name="Node">The node to absorb.</param>
/// <param name="Layer">The layer in front of it.</param>
/// <param name="Factors">One per channel.</param>
/// <param name="Shifts">One per channel.</param>
internal sealed record ChannelAffine(Node Node, LinearLayer Layer, double[] Factors, double[] Shifts)
{
    private bool ScalesWeights => Factors.Any(f => f != 1);

    /// <summary>Absorbs the node, or says why not and changes nothing.</summary>
    public string? TryAbsorb(GraphScope scope)
    {
        if (WhyNotAlone() is { } shared) return shared;
        double[]? bias = null;
        if (Layer.Bias is { } stored && (bias = ReadBias(stored, scope)) is null)
            return $"the bias of {Layer.Node.DisplayName} is not a constant with one value per channel";
        var type = Layer.WeightTensor.DataType;
        var newWeight = ScalesWeights ? ScaledWeight() : Layer.WeightTensor;
        var newBias = bias is null && Shifts.All(s => s == 0) ? null : FloatingPointData.Write(type, BiasDims(), ShiftedBias(bias));
        if ((ScalesWeights && !FloatingPointData.IsFinite(newWeight)) || (newBias is not null && !FloatingPointData.IsFinite(newBias)))
            return $"the weights would not be finite in {type}";
        bool inPlace = Layer.Bias is { } own && newBias is not null && IsExclusive(own) && HasShape(own, newBias);
        if (newBias is not null && !inPlace && Growth(scope, newBias) > 0) return "storing another bias would make the file larger";
        Absorb(scope, newWeight, newBias, inPlace);
        return null;
    }

    private void Absorb(GraphScope scope, Tensor newWeight, Tensor? newBias, bool inPlace)
    {
        if (ScalesWeights) ConstantStorage.Replace(Layer.Weight, newWeight);
        var output = Layer.Last.Outputs[0]!;
        if (inPlace) ConstantStorage.Replace(Layer.Bias!, newBias!);
        else if (newBias is not null)
        {
            var stored = ConstantStorage.Add(scope, BiasName, newBias, Layer.Node);
            if (Layer.BiasIndex >= 0) Layer.Last.SetInput(Layer.BiasIndex, stored);
            else output = scope.Graph.InsertBefore(Node, "Add", [output, stored], output.Name);
        }

        if (newBias is not null && Layer.BiasFactor != 1) Layer.Node.SetAttribute(NodeAttribute.Of("beta", 1f));
        Node.Outputs[0]!.ReplaceAllUsesWith(output);
        var constants = Node.Inputs.Where(i => i is not null && scope.TryGetFixed(i, out _)).ToArray();
        scope.Graph.RemoveNode(Node);
        foreach (var constant in constants) ConstantStorage.RemoveUnused(scope.Model, constant!);
    }

    private string BiasName => $"{Layer.Weight.Name}_bias";

    /// <summary>What keeps the layer's output or weights from being changed for this node alone.</summary>
    private string? WhyNotAlone()
    {
        var output = Layer.Last.Outputs[0]!;
        if (output.IsGraphOutput) return $"the output of {Layer.Last.DisplayName} is returned as well";
        if (output.IsReferencedByName || Node.Outputs[0]!.IsReferencedByName) return "training information refers to its input or output";
        if (output.Uses.Any(u => u.Node != Node)) return $"the output of {Layer.Last.DisplayName} is used elsewhere too";
        if (Node.Outputs[0]!.OutputOf.Any(g => g != Node.Graph) || Node.Outputs[0]!.OutputOf.Count > 1) return "its output is returned by a subgraph or twice";
        if (!ScalesWeights || IsExclusive(Layer.Weight)) return null;
        return $"the weights '{Layer.Weight.Name}' are shared, and a copy would make the file larger";
    }

    private static bool IsExclusive(Value value) => value is { Uses.Count: 1, IsGraphOutput: false, IsReferencedByName: false };

    private static bool HasShape(Value value, Tensor tensor) => value.TryGetConstant(out var stored) && stored.Dims.SequenceEqual(tensor.Dims) && stored.DataType == tensor.DataType;

    private double[]? ReadBias(Value value, GraphScope scope)
    {
        if (!scope.TryGetFixed(value, out var tensor) || tensor.DataType != Layer.WeightTensor.DataType) return null;
        bool perChannel = tensor.Rank > 0 && tensor.Dims[^1] == Layer.Channels && tensor.ElementCount == Layer.Channels;
        if (Layer.IsConvolution ? !perChannel || tensor.Rank != 1 : tensor.Rank > 2 || !(perChannel || tensor.ElementCount == 1)) return null;
        double[] elements = FloatingPointData.Read(tensor);
        return perChannel ? elements : [.. Enumerable.Repeat(elements[0], (int)Layer.Channels)];
    }

    /// <summary>The bias keeps its number of axes, which count where an Add broadcasts.</summary>
    private long[] BiasDims()
    {
        int rank = Layer.Bias is { } bias && bias.TryGetConstant(out var stored) ? Math.Max(1, stored.Rank) : 1;
        return [.. Enumerable.Repeat(1L, rank - 1), Layer.Channels];
    }

    private double[] ShiftedBias(double[]? bias)
    {
        var result = new double[Layer.Channels];
        for (int c = 0; c < result.Length; c++)
            result[c] = ((bias is null || Layer.BiasFactor == 0 ? 0 : bias[c] * Layer.BiasFactor) * Factors[c]) + Shifts[c];
        return result;
    }

    private long Growth(GraphScope scope, Tensor newBias)
    {
        long comes = SerializedSize.AtMost(scope, BiasName, newBias.DataType, newBias.Dims) + (Layer.BiasIndex < 0 ? 16 + (3 * BiasName.Length) : 0);
        return comes - SerializedSize.AtLeast(Node) - SerializedSize.AtLeastOfOwnConstants(Node, scope);
    }

    private Tensor ScaledWeight()
    {
        var tensor = Layer.WeightTensor;
        if (tensor.DataType != DataType.Float)
        {
            double[] elements = FloatingPointData.Read(tensor);
            ForEachRow((at, factor) =>
            {
                foreach (ref double element in elements.AsSpan(at, (int)Layer.After)) element *= factor;
            });
            return FloatingPointData.Write(tensor.DataType, tensor.Dims, elements);
        }

        float[] scaled = tensor.AsSpan<float>().ToArray();
        ForEachRow((at, factor) =>
        {
            var row = scaled.AsSpan(at, (int)Layer.After);
            // The product of two binary32 numbers is exact in binary64: rounding it is the same as multiplying in binary32.
            if ((float)factor == factor) TensorPrimitives.Multiply(row, (float)factor, row);
            else foreach (ref float element in row) element = (float)(element * factor);
        });
        return Tensor.Create(DataType.Float, tensor.Dims, scaled);
    }

    /// <summary>Calls back for each run of weights of one channel: offset and factor.</summary>
    private void ForEachRow(Action<int, double> row)
    {
        int at = 0;
        for (long g = 0; g < Layer.Groups; g++)
            for (long b = 0; b < Layer.Before; b++)
                for (long c = 0; c < Layer.PerGroup; c++, at += (int)Layer.After)
                    row(at, Factors[(g * Layer.PerGroup) + c]);
    }
}
