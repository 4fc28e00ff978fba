using ModelCompression.Data;
using ModelCompression.Gradients;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Runtime.Fidelity;

namespace ModelCompression.Runtime.Training;

/// <summary>Fills the targets of a gradient graph. They carry the weight 1/rows, so that parts of a mini-batch add up to its mean.</summary>
/// <param name="loss">The loss.</param>
/// <param name="teacher">Outputs of the original model for a feed; null unless distilling.</param>
internal sealed class TargetValues(TrainingLoss loss, Func<Sample, IReadOnlyList<NamedValue>>? teacher)
{
    /// <summary>True if class probabilities may be given for several positions of a sample.</summary>
    public bool AllowsPositions => loss == TrainingLoss.Distillation;

    /// <summary>The target of a joined feed.</summary>
    /// <param name="target">What the graph asks for.</param>
    /// <param name="feed">The feeds.</param>
    /// <param name="rows">Rows of the whole mini-batch.</param>
    public float[] Target(GradientTarget target, JoinedFeed feed, int rows)
    {
        var values = new float[Tensor.CountElements([.. target.Dims])];
        int perFeed = values.Length / feed.Samples.Count;
        for (int i = 0; i < feed.Samples.Count; i++) Fill(target, feed.Samples[i], rows, values.AsSpan(i * perFeed, perFeed));
        return values;
    }

    /// <summary>The weights of a squared error: 1 over rows and elements per row, zero for rows that fill up a fixed batch.</summary>
    public static float[] Weights(GradientTarget target, JoinedFeed feed, int rows)
    {
        long count = target.Dims.Count == 0 ? 1 : target.Dims[0];
        var weights = new float[count];
        float perElement = (float)(count / (double)Tensor.CountElements([.. target.Dims]) / rows);
        int used = feed.Samples is [{ RowCount: { } real }] ? (int)Math.Min(real, count) : (int)count;
        weights.AsSpan(0, used).Fill(perElement);
        return weights;
    }

    private void Fill(GradientTarget target, Sample sample, int rows, Span<float> values)
    {
        if (loss == TrainingLoss.Labels)
        {
            int classes = (int)target.Dims[1];
            for (int row = 0; row < sample.Labels.Count; row++)
            {
                if (sample.Labels[row] < 0 || sample.Labels[row] >= classes) throw TrainingError.LabelRange(sample.Labels[row], target.Output, classes);
                values[(row * classes) + (int)sample.Labels[row]] = 1f / rows;
            }

            return;
        }

        var expected = loss == TrainingLoss.ExpectedOutputs ? sample.ExpectedOutputs : teacher!(sample);
        if (expected.FirstOrDefault(e => e.Name == target.Output)?.Value is not TensorValue { Tensor: var tensor }) throw TrainingError.NoTargets($"array 'output:{target.Output}'");
        var elements = new double[Math.Min(values.Length, tensor.ElementCount)];
        FloatElements.Read(tensor, 0, elements);
        for (int i = 0; i < elements.Length; i++) values[i] = (float)elements[i];
        if (target.WeightName is null) ToProbabilities(target, values, 1f / rows);
    }

    /// <summary>Class outputs of the original as probabilities times a weight.</summary>
    private static void ToProbabilities(GradientTarget target, Span<float> values, float weight)
    {
        int classes = (int)target.Dims[1];
        for (int first = 0; first < values.Length; first += classes)
        {
            var row = values.Slice(first, classes);
            double sum = 0, highest = double.NegativeInfinity;
            foreach (float v in row) highest = Math.Max(highest, v);
            for (int i = 0; i < row.Length; i++)
            {
                double p = target.Scores == ClassScores.Probabilities ? row[i] : Math.Exp(row[i] - highest);
                row[i] = (float)p;
                sum += p;
            }

            for (int i = 0; i < row.Length; i++) row[i] = (float)(row[i] / sum * weight);
        }
    }
}
