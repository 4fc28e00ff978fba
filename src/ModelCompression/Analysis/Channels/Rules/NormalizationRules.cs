using ModelCompression.Onnx.Graph;

namespace ModelCompression.Analysis.Channels.Rules;

/// <summary>Normalizations and softmax.</summary>
internal static class NormalizationRules
{
    /// <summary>Statistics per channel: batch and instance normalization.</summary>
    public static void PerChannel(Node node, ChannelTracer tracer)
    {
        var (x, y) = (node.Inputs[0]!, node.Outputs[0]!);
        if (node.Outputs.Skip(1).Any(o => o is not null) || node.GetInt("spatial", 1) == 0 || tracer.RankOf(x) < 2)
        {
            tracer.PinNode(node, $"{node.OpType} {node.DisplayName} is not in its inference form");
            return;
        }

        tracer.Tie(x, 0, y, 0);
        tracer.Tie(x, 1, y, 1);
        for (int axis = 2; axis < tracer.RankOf(x); axis++)
        {
            if (node.Is("BatchNormalization")) tracer.Tie(x, axis, y, axis);
            else
            {
                tracer.Pin(x, axis, $"{node.OpType} {node.DisplayName} averages over it");
                tracer.Pin(y, axis, $"{node.OpType} {node.DisplayName} averages over it");
            }
        }

        foreach (var parameter in node.Inputs.Skip(1))
            if (parameter is not null) tracer.Tie(parameter, 0, y, 1);
    }

    /// <summary>
    /// Statistics over the last axes. Channels may go: the statistics are then those of the channels that stay, which changes the result a little even where nothing
    /// reads the removed ones.
    /// </summary>
    public static void Layer(Node node, ChannelTracer tracer)
    {
        var (x, y) = (node.Inputs[0]!, node.Outputs[0]!);
        int rank = tracer.RankOf(x);
        int first = ConstantIntegers.Axis(node.GetInt("axis", -1), rank);
        for (int axis = 0; axis < rank; axis++)
        {
            tracer.Tie(x, axis, y, axis);
            if (axis >= first && tracer.SizeOf(x, axis) > 0) tracer.Normalized.Add((x, axis));
            if (axis >= first) continue;
            foreach (var statistic in node.Outputs.Skip(1))
                if (statistic is not null) tracer.Tie(x, axis, statistic, axis);
        }

        foreach (var parameter in node.Inputs.Skip(1))
            if (parameter is not null) ElementwiseRules.TieAligned(tracer, y, parameter);
    }

    public static void Softmax(Node node, ChannelTracer tracer)
    {
        // Up to opset 12 all axes from the given one on are normalized together.
        int rank = tracer.RankOf(node.Inputs[0]!);
        bool isFlattening = tracer.Opset < 13;
        int first = ConstantIntegers.Axis(node.GetInt("axis", isFlattening ? 1 : -1), rank);
        PassExcept(node, tracer, axis => axis == first || (isFlattening && axis > first));
    }

    public static void AlongAxis(Node node, ChannelTracer tracer)
    {
        int normalized = ConstantIntegers.Axis(node.GetInt("axis", -1), tracer.RankOf(node.Inputs[0]!));
        PassExcept(node, tracer, axis => axis == normalized);
    }

    private static void PassExcept(Node node, ChannelTracer tracer, Func<int, bool> isNormalized)
    {
        var (x, y) = (node.Inputs[0]!, node.Outputs[0]!);
        for (int axis = 0; axis < tracer.RankOf(x); axis++)
        {
            tracer.Tie(x, axis, y, axis);
            if (isNormalized(axis)) tracer.Pin(x, axis, $"{node.OpType} {node.DisplayName} normalizes over it");
        }
    }
}
