using ModelCompression.Analysis.Views;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Simplification;

/// <summary>The convolutions that are all who read a tensor.</summary>
internal sealed class NextConvolutions
{
    private readonly List<(ConvView View, Tensor Weight, Tensor? Bias)> layers = [];

    /// <summary>Channels of the tensor.</summary>
    public int Channels => layers[0].View.InputChannels;

    /// <summary>Names for the report.</summary>
    public string Description => string.Join(", ", layers.Select(l => l.View.Node.DisplayName));

    /// <summary>The consumers of a tensor; null unless all are convolutions whose weights and biases are constants of their own.</summary>
    public static NextConvolutions? TryRead(Value tensor, GraphScope scope)
    {
        if (tensor.Uses.Count == 0 || tensor.IsGraphOutput || tensor.IsReferencedByName) return null;
        var next = new NextConvolutions();
        foreach (var use in tensor.Uses)
        {
            if (use.Index != 0 || use.Node.Graph != scope.Graph || !use.Node.Is("Conv") || use.Node.IsParameterized || !ConvView.TryFrom(use.Node, out var view)) return null;
            if (!scope.TryGetFixed(view.Weight, out var weight) || weight.DataType != DataType.Float || !IsOwn(view.Weight) || weight.ElementCount > Array.MaxLength) return null;
            Tensor? bias = null;
            if (view.Bias is { } stored && (!scope.TryGetFixed(stored, out bias) || bias.DataType != DataType.Float || !IsOwn(stored))) return null;
            next.layers.Add((view, weight, bias));
        }

        return next.layers.All(l => l.View.InputChannels == next.Channels) ? next : null;
    }

    /// <summary>Multiplies the weights of each input channel; false, with nothing changed, when a result is not finite.</summary>
    public bool TryScale(double[] factors)
    {
        var scaled = layers.ConvertAll(layer => MapWeights(layer.View, layer.Weight, factors));
        if (!scaled.TrueForAll(FloatingPointData.IsFinite)) return false;
        for (int i = 0; i < layers.Count; i++)
        {
            ConstantStorage.Replace(layers[i].View.Weight, scaled[i]);
            layers[i] = layers[i] with { Weight = scaled[i] };
        }

        return true;
    }

    /// <summary>Adds what a constant input adds to the biases; false, with nothing changed, where something is padded, there is no bias to add to, or a result is not finite.</summary>
    public bool TryShift(double[] shifts)
    {
        if (layers.Any(l => l.Bias is null || l.View.Window.AutoPad is AutoPad.SameUpper or AutoPad.SameLower || l.View.Window.Pads.Any(p => p != 0))) return false;
        var shifted = layers.ConvertAll(layer => MapBias(layer.View, layer.Weight, layer.Bias!, shifts));
        if (!shifted.TrueForAll(FloatingPointData.IsFinite)) return false;
        for (int i = 0; i < layers.Count; i++) ConstantStorage.Replace(layers[i].View.Bias!, shifted[i]);
        return true;
    }

    private static bool IsOwn(Value value) => value is { Uses.Count: 1, IsGraphOutput: false, IsReferencedByName: false };

    private static Tensor MapWeights(ConvView view, Tensor weight, double[] factors)
    {
        float[] result = weight.AsSpan<float>().ToArray();
        ForEachRun(view, weight, (output, input, run) =>
        {
            foreach (ref float w in result.AsSpan(run)) w = (float)(w * factors[input]);
        });
        return Tensor.Float(weight.Dims, result);
    }

    private static Tensor MapBias(ConvView view, Tensor weight, Tensor bias, double[] shifts)
    {
        double[] sums = FloatingPointData.Read(bias);
        ForEachRun(view, weight, (output, input, run) =>
        {
            double sum = 0;
            foreach (float w in weight.AsSpan<float>()[run]) sum += w;
            sums[output] += sum * shifts[input];
        });
        return FloatingPointData.Write(DataType.Float, bias.Dims, sums);
    }

    /// <summary>Calls back for the kernel of each pair of output and input channel.</summary>
    private static void ForEachRun(ConvView view, Tensor weight, Action<int, int, Range> visit)
    {
        int kernel = (int)(weight.ElementCount / view.OutputChannels / view.InputChannelsPerGroup), perGroup = view.OutputChannels / view.Group;
        for (int m = 0, at = 0; m < view.OutputChannels; m++)
            for (int c = 0; c < view.InputChannelsPerGroup; c++, at += kernel)
                visit(m, (m / perGroup * view.InputChannelsPerGroup) + c, at..(at + kernel));
    }
}
