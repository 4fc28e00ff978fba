using ModelCompression.Data;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Runtime;

namespace ModelCompression.Tests.Passes.Simplification;

/// <summary>Compares a model before and after an edit: outputs in ONNX Runtime for the same seeded inputs, interface, and size.</summary>
internal static class Equivalence
{
    /// <summary>Runs an edit; fails when an output differs by more than <paramref name="tolerance"/>, the interface changes or the file grows.</summary>
    public static T Keep<T>(Model model, Func<T> edit, double tolerance)
    {
        byte[] before = OnnxWriter.ToBytes(model);
        var inputs = SyntheticInputs.For(model, seed: 1);
        var result = edit();
        byte[] after = OnnxWriter.ToBytes(model);
        Assert.IsLessThanOrEqualTo(before.Length, after.Length, "The file has grown.");
        using var original = Open(before);
        using var changed = Open(after);
        AssertSameInterface(original, changed);
        var expected = RunFirstThatWorks(original, inputs, out var sample) ?? throw new AssertFailedException("The original does not run.");
        Assert.IsNull(Difference(expected, changed.Run(sample.Inputs), _ => tolerance));
        return result;
    }

    /// <summary>Opens a model as it is: without graph optimizations, on one thread.</summary>
    public static ModelSession Open(byte[] model) => ModelSession.Open(model, "test.onnx", SessionSettings.Lean, ModelRole.Original);

    /// <summary>Runs a model on the first made-up sample it accepts; null when it accepts none.</summary>
    public static IReadOnlyList<NamedValue>? RunFirstThatWorks(ModelSession session, SampleSource inputs, out Sample sample)
    {
        sample = new Sample([]);
        for (int attempt = 0; inputs.Refusal is null && attempt < inputs.AttemptCount; attempt++)
        {
            try
            {
                return session.Run((sample = inputs.Read(attempt, 0)).Inputs);
            }
            catch (Exception e) when (e is DiagnosticException or NotSupportedException)
            {
                // The next attempt has other sizes.
            }
        }

        return null;
    }

    public static void AssertSameInterface(ModelSession original, ModelSession changed)
    {
        CollectionAssert.AreEqual(original.Interface.Inputs.ToArray(), changed.Interface.Inputs.ToArray());
        CollectionAssert.AreEqual(original.Interface.Outputs.Select(o => o.Name).ToArray(), changed.Interface.Outputs.Select(o => o.Name).ToArray());
    }

    /// <summary>What differs, or null: types, shapes, texts and integers must agree, reals within a tolerance that may depend on the expected elements.</summary>
    public static string? Difference(IReadOnlyList<NamedValue> expected, IReadOnlyList<NamedValue> actual, Func<double[], double> tolerance)
    {
        for (int i = 0; i < expected.Count; i++)
        {
            var parts = FlatValue.Of(expected[i].Value).Zip(FlatValue.Of(actual[i].Value)).ToArray();
            foreach (var (e, a) in parts)
                if (e.Difference(a, tolerance) is { } difference) return $"Output '{expected[i].Name}': {difference}";
        }

        return null;
    }
}
