using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Data.Sources;

/// <summary>Compares types and shapes of data with what the model declares.</summary>
internal static class PortCheck
{
    /// <summary>Throws MCB3007 unless the element type is what the model declares; unknown types pass.</summary>
    public static void CheckType(string file, string what, DataType found, ModelPort port)
    {
        if (port.TensorType?.ElementType is not { } expected || expected == found) return;
        string advice = NumpyName(expected) is { } name ? $" Convert it before saving: a.astype(numpy.{name})." : " Convert it before saving.";
        throw DataError.Of(file, "MCB3007", $"{what} has elements of type {found}; the model wants {port}.{advice}");
    }

    /// <summary>True if every size the model states is the one found.</summary>
    public static bool Fits(Shape declared, ReadOnlySpan<long> dims, int firstAxis = 0)
    {
        if (declared.Rank != dims.Length) return false;
        for (int axis = firstAxis; axis < dims.Length; axis++)
            if (declared[axis].Size is >= 0 and var size && size != dims[axis]) return false;
        return true;
    }

    /// <summary>Makes an MCB3008 error.</summary>
    public static DiagnosticException WrongShape(string file, string what, ReadOnlySpan<long> dims, ModelPort port, string expectation) =>
        DataError.Of(file, "MCB3008", $"{what} has shape [{string.Join(',', dims.ToArray())}]; the model wants {port}. {expectation}");

    private static string? NumpyName(DataType type) => type switch
    {
        DataType.Float => "float32",
        DataType.Double => "float64",
        DataType.Float16 => "float16",
        DataType.Bool => "bool_",
        DataType.Int8 or DataType.Int16 or DataType.Int32 or DataType.Int64 or DataType.UInt8 or DataType.UInt16 or DataType.UInt32 or DataType.UInt64 => type.ToString().ToLowerInvariant(),
        _ => null,
    };
}
