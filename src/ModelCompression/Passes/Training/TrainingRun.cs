using ModelCompression.Gradients;
using ModelCompression.Options;

namespace ModelCompression.Passes.Training;

/// <summary>Losses of an epoch; number 0 is the state before training.</summary>
internal sealed record EpochLoss(int Number, double Training, double HeldOut);

/// <summary>What training came to.</summary>
internal sealed record TrainingRunResult(IReadOnlyList<EpochLoss> Epochs, int BestEpoch, float[][] Weights, double LearningRate)
{
    /// <summary>Why training was stopped early, or null.</summary>
    public string? Diverged { get; init; }

    /// <summary>False for less than 20 samples: then the held-out loss is that of the samples trained on.</summary>
    public bool HoldsOut { get; init; }

    /// <summary>The epoch it was stopped in.</summary>
    public int StoppedIn { get; init; }
}

/// <summary>The training loop.</summary>
/// <param name="session">Gradients that read <paramref name="current"/>.</param>
/// <param name="source">Where they come from.</param>
/// <param name="options">Epochs, learning rate, seed.</param>
/// <param name="current">Weights in training.</param>
/// <param name="masks">Elements that stay, as for <see cref="AdamOptimizer"/>.</param>
/// <param name="progress">Takes the epoch with the loss so far, and steps done and to do.</param>
internal sealed class TrainingRun(IGradientSession session, IGradientSource source, CompressionOptions options, float[][] current, float[]?[] masks, Action<string, int, int> progress)
{
    /// <summary>Samples per step.</summary>
    private const int BatchLength = 64;

    private const int EvaluationLength = 256;
    private const int MaxHeldOut = 2000;
    private const double DefaultLearningRate = 1e-3;
    private const double WarmUp = 0.02;
    private const double DivergedFactor = 10;

    private readonly float[][] gradients = Array.ConvertAll(current, w => new float[w.Length]);

    /// <summary>Trains and returns the best state.</summary>
    public TrainingRunResult Run(CancellationToken cancellation)
    {
        int[] order = MiniBatches.Order(source.FeedCount, options.Seed, source.IsRandomAccess);
        int held = source.FeedCount < 20 ? 0 : Math.Min(MaxHeldOut, source.FeedCount / 10);
        int[] heldOut = held == 0 ? order : order[..held], training = order[held..];
        double rate = options.LearningRate ?? DefaultLearningRate;
        double start = Evaluate(heldOut, cancellation);
        var epochs = new List<EpochLoss> { new(0, start, start) };
        var best = (Epoch: 0, Weights: Copy());
        var optimizer = new AdamOptimizer(current, masks);
        int length = FeedsFor(BatchLength), stepsPerEpoch = (training.Length + length - 1) / length, step = 0;
        for (int epoch = 1; epoch <= options.FineTuneEpochs; epoch++)
        {
            double sum = 0;
            string stage = FormattableString.Invariant($"fine-tuning, epoch {epoch} of {options.FineTuneEpochs}, loss {epochs[^1].HeldOut:0.0000}");
            foreach (int[] batch in MiniBatches.Epoch(training, length, unchecked((options.Seed * 31) + epoch), source.IsRandomAccess))
            {
                double loss = session.Run(batch, gradients, cancellation);
                if (Diverged(loss, start) is { } reason) return Result() with { Diverged = reason, StoppedIn = epoch };
                progress(stage, (step % stepsPerEpoch) + 1, stepsPerEpoch);
                sum += loss * batch.Length;
                optimizer.Step(gradients, rate * Schedule(step++, stepsPerEpoch * options.FineTuneEpochs));
            }

            double now = Evaluate(heldOut, cancellation);
            if (Diverged(now, start) is { } why) return Result() with { Diverged = why, StoppedIn = epoch };
            epochs.Add(new(epoch, sum / training.Length, now));
            if (now <= epochs[best.Epoch].HeldOut) best = (epoch, Copy());
        }

        return Result();

        TrainingRunResult Result() => new(epochs, best.Epoch, best.Weights, rate) { HoldsOut = held > 0 };
    }

    /// <summary>Share of the learning rate: up over the first steps, then down along a cosine.</summary>
    private static double Schedule(int step, int steps)
    {
        double warm = Math.Max(1, WarmUp * steps);
        return Math.Min(1, (step + 1) / warm) * 0.5 * (1 + Math.Cos(Math.PI * step / steps));
    }

    private static string? Diverged(double loss, double start) =>
        !double.IsFinite(loss) ? "the loss is no longer a finite number"
        : loss > DivergedFactor * Math.Max(start, 0.1) ? FormattableString.Invariant($"the loss rose from {start:G5} to {loss:G5}")
        : null;

    private double Evaluate(int[] feeds, CancellationToken cancellation)
    {
        double sum = 0;
        foreach (int[] batch in feeds.Chunk(FeedsFor(EvaluationLength))) sum += session.Run(batch, null, cancellation) * batch.Length;
        return sum / feeds.Length;
    }

    /// <summary>Feeds that hold so many samples.</summary>
    private int FeedsFor(int samples) => Math.Max(1, samples / source.RowsPerFeed);

    private float[][] Copy() => Array.ConvertAll(current, w => (float[])w.Clone());
}
