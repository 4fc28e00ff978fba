using ModelCompression.Data.Arrays;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Data.Sources;

/// <summary>Reads and checks the <c>labels</c> array.</summary>
internal static class Labels
{
    /// <summary>Name of the array.</summary>
    public const string ArrayName = "labels";

    /// <summary>Reads class indices.</summary>
    /// <exception cref="Onnx.Diagnostics.DiagnosticException">MCB3010: no integers, not one per sample, or outside the model's classes.</exception>
    public static long[] Read(string file, NpyArray array, long rowCount, ModelInterface model)
    {
        if (array.Rank == 0 || Tensor.CountElements(array.Dims) != rowCount || array.Dims[0] != rowCount)
            throw Wrong(file, $"have shape [{string.Join(',', array.Dims.ToArray())}]; expected one class index for each of the {rowCount} samples");
        var labels = ToLongs(array.ReadAll()) ?? throw Wrong(file, $"are of type {array.Type}; expected int64 class indices. Use a.argmax(-1) for one-hot labels, a.astype(numpy.int64) otherwise");
        long? classes = ClassCount(model);
        for (int i = 0; i < labels.Length; i++)
        {
            if (labels[i] < 0 || labels[i] >= (classes ?? long.MaxValue))
                throw Wrong(file, FormattableString.Invariant($"hold {labels[i]} for sample {i}; the model has {(classes is { } n ? $"classes 0 to {n - 1}" : "no negative classes")}"));
        }

        return labels;
    }

    /// <summary>Number of classes: the only size above 1 behind the batch axis of the first floating point output, or null when the model does not state it.</summary>
    private static long? ClassCount(ModelInterface model)
    {
        var scores = model.Outputs.Select(o => o.Type).OfType<TensorType>().FirstOrDefault(t => t.ElementType.IsFloatingPoint());
        if (scores?.Shape is not { Rank: > 1 } shape) return null;
        var sizes = shape.Dimensions.Skip(1).Select(d => d.Size).ToList();
        if (sizes.Exists(s => s is null)) return null;
        var above = sizes.FindAll(s => s > 1);
        return above.Count == 1 ? above[0] : null;
    }

    private static long[]? ToLongs(Tensor tensor) => tensor.DataType switch
    {
        DataType.Int64 => tensor.AsSpan<long>().ToArray(),
        DataType.Int32 => Array.ConvertAll(tensor.AsSpan<int>().ToArray(), v => (long)v),
        DataType.Int16 => Array.ConvertAll(tensor.AsSpan<short>().ToArray(), v => (long)v),
        DataType.Int8 => Array.ConvertAll(tensor.AsSpan<sbyte>().ToArray(), v => (long)v),
        DataType.UInt8 => Array.ConvertAll(tensor.AsSpan<byte>().ToArray(), v => (long)v),
        DataType.UInt16 => Array.ConvertAll(tensor.AsSpan<ushort>().ToArray(), v => (long)v),
        DataType.UInt32 => Array.ConvertAll(tensor.AsSpan<uint>().ToArray(), v => (long)v),
        // What does not fit is no class of any model.
        DataType.UInt64 => Array.ConvertAll(tensor.AsSpan<ulong>().ToArray(), v => (long)Math.Min(v, long.MaxValue)),
        _ => null,
    };

    private static Onnx.Diagnostics.DiagnosticException Wrong(string file, string what) => DataError.Of(file, "MCB3010", $"The labels {what}.");
}
