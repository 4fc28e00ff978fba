using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;

namespace ModelCompression.Tests.Passes.Simplification;

/// <summary>Compares a model before and after an edit: outputs in ONNX Runtime for the same seeded inputs, and size.</summary>
internal static class Equivalence
{
    /// <summary>Runs an edit; fails when an output differs by more than <paramref name="tolerance"/> or the model grows.</summary>
    public static T Keep<T>(Model model, Func<T> edit, double tolerance)
    {
        byte[] before = OnnxWriter.ToBytes(model);
        var result = edit();
        byte[] after = OnnxWriter.ToBytes(model);
        Assert.IsLessThanOrEqualTo(before.Length, after.Length, "The file has grown.");
        using var original = new OrtModel(before);
        using var changed = new OrtModel(after);
        CollectionAssert.AreEqual(original.Interface, changed.Interface);
        var feeds = original.SeededInputs(seed: 1);
        AssertClose(original.Run(feeds), changed.Run(feeds), tolerance);
        return result;
    }

    public static void AssertClose(IReadOnlyList<OrtOutput> expected, IReadOnlyList<OrtOutput> actual, double tolerance)
    {
        Assert.HasCount(expected.Count, actual);
        for (int i = 0; i < expected.Count; i++)
            if (Difference(expected[i], actual[i], tolerance) is { } difference) Assert.Fail($"Output '{expected[i].Name}': {difference}");
    }

    /// <summary>What differs, or null when all elements are within <paramref name="tolerance"/> of each other, NaN and infinities at the same places.</summary>
    public static string? Difference(OrtOutput expected, OrtOutput actual, double tolerance)
    {
        if (expected.Type != actual.Type) return $"type {actual.Type} instead of {expected.Type}";
        if (expected.Text != actual.Text) return $"'{actual.Text}' instead of '{expected.Text}'";
        for (int i = 0; i < expected.Values.Length; i++)
        {
            double e = expected.Values[i], a = actual.Values[i];
            if (e.Equals(a) || e == a) continue;
            if (!(Math.Abs(e - a) <= tolerance)) return FormattableString.Invariant($"element {i} is {a:R} instead of {e:R}, tolerance {tolerance:R}");
        }

        return null;
    }
}
