using ModelCompression.Data;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Passes.Simplification;

namespace ModelCompression.Tests.Passes.Simplification;

/// <summary>A tensor of an output, or whatever else an output consists of, as something comparable.</summary>
internal sealed record FlatValue(string Description, double[] Reals)
{
    /// <summary>The parts of a value; sequences and maps have several.</summary>
    public static IEnumerable<FlatValue> Of(ModelValue value) => value switch
    {
        TensorValue tensor => [Of(tensor.Tensor)],
        SequenceValue sequence => sequence.Elements.SelectMany(Of).Prepend(new($"sequence of {sequence.Elements.Count}", [])),
        MapValue map => [Of(map.Keys), Of(map.Values)],
        _ => [new(value.ToString(), [])],
    };

    public static FlatValue Of(Tensor tensor)
    {
        if (tensor.DataType.IsFloatingPoint()) return new(tensor.ToString(), FloatingPointData.Read(tensor));
        if (tensor.Strings is { } strings) return new($"{tensor}: {string.Join('\n', strings.Select(s => System.Text.Encoding.UTF8.GetString(s.Span)))}", []);
        return new($"{tensor}: {Convert.ToHexString(tensor.AsSpan<byte>())}", []);
    }

    public string? Difference(FlatValue actual, Func<double[], double> tolerance)
    {
        if (Description != actual.Description) return $"{Shorten(actual.Description)} instead of {Shorten(Description)}";
        double allowed = tolerance(Reals);
        for (int i = 0; i < Reals.Length; i++)
        {
            double e = Reals[i], a = actual.Reals[i];
            if (e.Equals(a) || e == a || Math.Abs(e - a) <= allowed) continue;
            return FormattableString.Invariant($"element {i} of {Reals.Length} is {a:R} instead of {e:R}, tolerance {allowed:R}");
        }

        return null;
    }

    private static string Shorten(string text) => text.Length <= 200 ? text : $"{text[..200]}…";
}
