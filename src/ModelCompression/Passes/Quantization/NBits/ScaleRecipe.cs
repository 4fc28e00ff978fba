using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Packing;

namespace ModelCompression.Passes.Quantization.NBits;

/// <summary>Operators that restore stored scales: as they are, widened from binary16, or multiples · steps.</summary>
/// <param name="scales">The scales.</param>
/// <param name="dims">Shape of one number per scale.</param>
/// <param name="stepDims">Shape of one number per scale row that broadcasts against <paramref name="dims"/>.</param>
internal sealed class ScaleRecipe(StoredScales scales, long[] dims, long[] stepDims)
{
    /// <summary>For blocks that lie outside of rows: the number of rows, else 0.</summary>
    public int TransposedRows { get; init; }

    /// <summary>Adds the steps; the last one yields binary32.</summary>
    public int AddTo(UnpackingOperators ops)
    {
        if (scales.HasMultiples)
        {
            int multiples = Constant(ops, "scales", DataType.Int8, scales.Multiples);
            int steps = ops.Recipe.Add(new ConstantStep("steps", DataType.Float, stepDims, () => Tensor.Float(stepDims, scales.Steps)));
            return ops.Recipe.Node("Mul", [ToFloat(ops, multiples), steps]);
        }

        return scales.IsHalf
            ? ToFloat(ops, Constant(ops, "scales", DataType.Float16, Array.ConvertAll(scales.Effective, s => (Half)s)))
            : Constant(ops, "scales", DataType.Float, scales.Effective);
    }

    /// <summary>The scales ready to be written.</summary>
    public PreparedRecipe Prepare(PackingRequest request)
    {
        var ops = new UnpackingOperators(request.Opset);
        AddTo(ops);
        return new(ops.Recipe, request);
    }

    /// <summary>From (scale row, block) to the order in the file.</summary>
    public static T[] Arranged<T>(T[] perScale, int transposedRows)
    {
        if (transposedRows == 0) return perScale;
        int blocks = perScale.Length / transposedRows;
        var arranged = new T[perScale.Length];
        for (int row = 0; row < transposedRows; row++)
            for (int b = 0; b < blocks; b++) arranged[(b * transposedRows) + row] = perScale[(row * blocks) + b];
        return arranged;
    }

    private int Constant<T>(UnpackingOperators ops, string name, DataType type, T[] perScale) where T : unmanaged =>
        ops.Recipe.Add(new ConstantStep(name, type, dims, () => Tensor.Create(type, dims, Arranged(perScale, TransposedRows))));

    private static int ToFloat(UnpackingOperators ops, int value) => ops.Recipe.Node("Cast", [value], NodeAttribute.Of("to", (long)DataType.Float));
}
