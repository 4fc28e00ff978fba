using ModelCompression.Data;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Runtime;

namespace ModelCompression.Benchmarks;

/// <summary>Compares two models that read text: [1, positions, characters], read greedily with repetitions and blanks (class 0) left out (connectionist temporal classification).</summary>
internal static class TextAgreement
{
    /// <summary>Share of samples that both read alike.</summary>
    public static double Share(string original, string result, string data)
    {
        using var model = OnnxReader.Read(original);
        using var samples = DataSet.Open([data], ModelInterface.Of(model));
        using var left = ModelSession.Open(original, SessionSettings.Default, ModelRole.Original);
        using var right = ModelSession.Open(result, SessionSettings.Default, ModelRole.Compressed);
        int alike = 0;
        for (int i = 0; i < samples.Count; i++)
        {
            var inputs = samples.Read(i).Inputs;
            if (Text(left.Run(inputs)).SequenceEqual(Text(right.Run(inputs)))) alike++;
        }

        return (double)alike / samples.Count;
    }

    private static List<int> Text(IReadOnlyList<NamedValue> outputs)
    {
        var scores = ((TensorValue)outputs[0].Value).Tensor;
        int classes = (int)scores.Dims[^1], last = 0;
        var elements = scores.AsSpan<float>();
        var text = new List<int>();
        for (int start = 0; start < elements.Length; start += classes)
        {
            int best = System.Numerics.Tensors.TensorPrimitives.IndexOfMax(elements.Slice(start, classes));
            if (best != 0 && best != last) text.Add(best);
            last = best;
        }

        return text;
    }
}
