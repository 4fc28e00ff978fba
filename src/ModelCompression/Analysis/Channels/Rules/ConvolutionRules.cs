using ModelCompression.Analysis.Views;
using ModelCompression.Onnx.Graph;

namespace ModelCompression.Analysis.Channels.Rules;

/// <summary>Convolutions: input channels are summed over, output channels are filters; groups couple the two.</summary>
internal static class ConvolutionRules
{
    private const string Spatial = "positions of a convolution cannot be removed";

    /// <summary>From this many groups on whole groups go; fewer keep their number and each loses the same share of its channels.</summary>
    public const int MinRemovableGroups = 8;

    public static void Conv(Node node, ChannelTracer tracer)
    {
        var (x, w, y) = (node.Inputs[0]!, node.Input(1), node.Outputs[0]!);
        if (w is null || !ConvView.TryFrom(node, out var conv) || tracer.ShapeOf(y)?[1].Size != conv.OutputChannels || tracer.ShapeOf(x)?[1].Size != conv.InputChannels)
        {
            tracer.PinNode(node, $"the channels of {node.DisplayName} are not known");
            return;
        }

        PinSpatial(tracer, x, w, y);
        tracer.Tie(w, 0, y, 1);
        if (conv.Bias is { } bias) tracer.Tie(bias, 0, y, 1);
        if (conv.Summand is { } summand) ElementwiseRules.TieAligned(tracer, y, summand);
        if (conv.Group == 1) tracer.Tie(w, 1, x, 1);
        else TieGroups(tracer, (x, 1), (y, 1), (w, 1), conv.Group, conv.InputChannelsPerGroup, conv.OutputChannels / conv.Group);
    }

    public static void ConvTranspose(Node node, ChannelTracer tracer)
    {
        var (x, w, y) = (node.Inputs[0]!, node.Input(1), node.Outputs[0]!);
        if (w is null || !ConvTransposeView.TryFrom(node, out var conv) || tracer.ShapeOf(y)?[1].Size != conv.OutputChannels || tracer.ShapeOf(x)?[1].Size != tracer.ShapeOf(w)?[0].Size)
        {
            tracer.PinNode(node, $"the channels of {node.DisplayName} are not known");
            return;
        }

        PinSpatial(tracer, x, w, y);
        tracer.Tie(w, 0, x, 1);
        if (conv.Bias is { } bias) tracer.Tie(bias, 0, y, 1);
        if (conv.Group == 1) tracer.Tie(w, 1, y, 1);
        else TieGroups(tracer, (y, 1), (x, 1), (w, 1), conv.Group, conv.OutputChannels / conv.Group, (int)(tracer.ShapeOf(x)![1].Size!.Value / conv.Group));
    }

    /// <summary>
    /// <paramref name="perGroup"/> is the axis that the weight holds once per group (<paramref name="weight"/>), <paramref name="overall"/> the one it holds in full.
    /// </summary>
    private static void TieGroups(ChannelTracer tracer, (Value Value, int Axis) perGroup, (Value Value, int Axis) overall, (Value Value, int Axis) weight, int groups, int perGroupSize, int overallSize)
    {
        if (tracer.SizeOf(perGroup.Value, perGroup.Axis) == 0 || tracer.SizeOf(overall.Value, overall.Axis) == 0)
        {
            const string noChannels = "a grouped convolution has no channels to remove";
            tracer.Pin(perGroup.Value, perGroup.Axis, noChannels);
            tracer.Pin(overall.Value, overall.Axis, noChannels);
            tracer.Pin(weight.Value, weight.Axis, noChannels);
            return;
        }

        if (groups >= MinRemovableGroups)
        {
            tracer.Pin(weight.Value, weight.Axis, "channels of a grouped convolution go by whole groups");
            int first = tracer.Start(perGroup.Value, perGroup.Axis);
            int second = tracer.Start(overall.Value, overall.Axis);
            for (int g = 0; g < groups; g++)
            {
                for (int i = 1; i < perGroupSize; i++) tracer.Labels.Union(first + (g * perGroupSize), first + (g * perGroupSize) + i);
                for (int i = 0; i < overallSize; i++) tracer.Labels.Union(first + (g * perGroupSize), second + (g * overallSize) + i);
            }

            return;
        }

        const string numberStays = "a grouped convolution with few groups keeps their number";
        if (perGroupSize == 1) tracer.Pin(perGroup.Value, perGroup.Axis, numberStays);
        else tracer.AddProduct(perGroup.Value, perGroup.Axis, tracer.NewPinnedFactor(groups, numberStays), tracer.Factor(weight.Value, weight.Axis));
        if (overallSize == 1) tracer.Pin(overall.Value, overall.Axis, numberStays);
        else tracer.AddProduct(overall.Value, overall.Axis, tracer.NewPinnedFactor(groups, numberStays), tracer.NewFactor(overallSize));
    }

    private static void PinSpatial(ChannelTracer tracer, Value x, Value w, Value y)
    {
        foreach (var value in new[] { x, w, y })
            for (int axis = 2; axis < tracer.RankOf(value); axis++) tracer.Pin(value, axis, Spatial);
    }
}
