using ModelCompression.Analysis.Views;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Analysis.Shapes.Rules;

/// <summary>Pooling windows, global pooling, and regions of interest.</summary>
internal static class PoolingRules
{
    public static void Register(RuleTable table)
    {
        table.Add(["AveragePool", "LpPool"], n => Pool(n, 0));
        table.Add("MaxPool", n =>
        {
            n.Set(1, DataType.Int64, default(Shape));
            Pool(n, 0);
            n.Set(1, DataType.Int64, (n.State.TypeOf(n.Node.Output()!) as TensorType)?.Shape);
        });
        table.Add("QLinearAveragePool", n => Pool(n, 0), domain: RuleTable.Microsoft);
        table.Add(["GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"], PoolAll);
        table.Add("QLinearGlobalAveragePool", PoolAll, domain: RuleTable.Microsoft);
        table.Add("MaxUnpool", Unpool);
        table.Add("MaxRoiPool", n =>
        {
            n.Set(0, n.ElementOf(0), default(Shape));
            var pooled = n.Attributes.Ints("pooled_shape") ?? throw n.Refuse("pooled_shape is missing");
            n.Set(0, n.ElementOf(0), [n.RequireShape(1, 1)[0], n.RequireShape(0, 2)[1], .. pooled.Select(p => (Dimension)p)]);
        });
        table.Add("RoiAlign", n =>
        {
            n.Set(0, n.ElementOf(0), default(Shape));
            n.Set(0, n.ElementOf(0), [n.RequireShape(1, 1)[0], n.RequireShape(0, 2)[1], n.Attributes.Int("output_height", 1), n.Attributes.Int("output_width", 1)]);
        });
    }

    private static void Pool(NodeInference n, int input)
    {
        n.Set(0, n.ElementOf(input), default(Shape));
        bool channelsLast = n.Attributes.Int("channels_last", 0) != 0;
        var x = n.RequireShape(input, 3);
        var kernel = n.Attributes.Ints("kernel_shape") ?? throw n.Refuse("kernel_shape is missing");
        if (kernel.Count != x.Rank - 2) throw n.Refuse($"kernel_shape has {kernel.Count} sizes for an input of rank {x.Rank}");
        var window = WindowGeometry.Read(n.Attributes, kernel) ?? throw n.Refuse("the window attributes are invalid");
        bool roundsUp = n.Attributes.Int("ceil_mode", 0) != 0;
        int first = channelsLast ? 1 : 2;
        var sizes = Enumerable.Range(0, kernel.Count).Select(i => window.OutputSize(n.Symbols, i, x[first + i], roundsUp));
        n.Set(0, n.ElementOf(input), channelsLast ? [x[0], .. sizes, x[-1]] : [x[0], x[1], .. sizes]);
    }

    private static void PoolAll(NodeInference n)
    {
        n.Set(0, n.ElementOf(0), default(Shape));
        var x = n.RequireShape(0, 2);
        var ones = Enumerable.Repeat((Dimension)1, x.Rank - 2);
        bool channelsLast = n.Attributes.Int("channels_last", 0) != 0;
        n.Set(0, n.ElementOf(0), channelsLast ? [x[0], .. ones, x[-1]] : [x[0], x[1], .. ones]);
    }

    private static void Unpool(NodeInference n)
    {
        n.Set(0, n.ElementOf(0), default(Shape));
        var x = n.RequireShape(0, 3);
        if (n.HasInput(2))
        {
            n.Set(0, n.ElementOf(0), n.RequireContent(2).Sizes);
            return;
        }

        var kernel = n.Attributes.Ints("kernel_shape") ?? throw n.Refuse("kernel_shape is missing");
        var window = WindowGeometry.Read(n.Attributes, kernel) ?? throw n.Refuse("the window attributes are invalid");
        if (kernel.Count != x.Rank - 2) throw n.Refuse("kernel_shape does not fit the rank");
        var sizes = Enumerable.Range(0, kernel.Count).Select(i =>
            n.Symbols.Add(n.Symbols.Multiply(n.Symbols.Subtract(x[i + 2], 1), window.Strides[i]), kernel[i] - window.Pads[i] - window.Pads[i + kernel.Count]));
        n.Set(0, n.ElementOf(0), [x[0], x[1], .. sizes]);
    }
}
