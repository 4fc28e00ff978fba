using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Quantization.Dynamic;

/// <summary>Bytes that integer kernels and their weights take in the file, a little more rather than less.</summary>
internal static class IntegerSize
{
    private const int NameByteLength = 8;

    /// <summary>Codes, scales and zero points of a weight.</summary>
    public static long Of(IntegerWeightPlan plan)
    {
        bool nodes = plan.Target.UsesConstantNodes;
        int name = StoredSize.NameByteLengthOf(plan.Operand.Site.Value) + 2;
        long[] scales = [plan.Layout.ScaleCount];
        long codes = StoredSize.OfConstant(plan.Type, plan.Operand.KernelDims, name, nodes);
        return codes + StoredSize.OfConstant(DataType.Float, scales, NameByteLength, nodes) + StoredSize.OfConstant(plan.Type, plan.Range.IsSymmetric ? [] : scales, NameByteLength, nodes);
    }

    /// <summary>The nodes that a call adds.</summary>
    public static long OfNodes(IntegerCall call) => call.Kernel switch
    {
        IntegerKernel.MatMulInteger or IntegerKernel.ConvInteger => 240,
        _ => 90,
    };
}
