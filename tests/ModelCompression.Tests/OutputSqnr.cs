using ModelCompression.Data;
using ModelCompression.Tests.Passes.Simplification;

namespace ModelCompression.Tests;

/// <summary>Signal to quantization noise ratio of all output elements of all samples together, by its definition.</summary>
internal sealed class OutputSqnr
{
    private double signal, noise;

    /// <summary>In dB.</summary>
    public double Db => 10 * Math.Log10(signal / noise);

    /// <summary>In dB, of one output of one sample.</summary>
    public static double Of(float[] expected, float[] actual)
    {
        var one = new OutputSqnr();
        one.Add(Array.ConvertAll(expected, v => (double)v), Array.ConvertAll(actual, v => (double)v));
        return one.Db;
    }

    /// <summary>Adds the outputs of one sample.</summary>
    public void Add(IReadOnlyList<NamedValue> expected, IReadOnlyList<NamedValue> actual)
    {
        for (int i = 0; i < expected.Count; i++)
            foreach (var (e, a) in FlatValue.Of(expected[i].Value).Zip(FlatValue.Of(actual[i].Value)))
                Add(e.Reals, a.Reals);
    }

    private void Add(double[] expected, double[] actual)
    {
        Assert.HasCount(expected.Length, actual);
        for (int i = 0; i < expected.Length; i++)
        {
            signal += expected[i] * expected[i];
            noise += (expected[i] - actual[i]) * (expected[i] - actual[i]);
        }
    }
}
