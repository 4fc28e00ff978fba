using ModelCompression.Gradients;
using ModelCompression.Numerics;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Passes.Pruning;
using ModelCompression.Passes.Pruning.ByActivation;
using ModelCompression.Passes.Simplification;

namespace ModelCompression.Passes.Training;

/// <summary>Trains what is left after pruning, on the gradient graph; zeros stay zeros.</summary>
/// <remarks>
/// Adam with a learning rate that rises over the first 2 % of the steps and then falls to zero along a cosine. Mini-batches are drawn in an order that depends on <c>Seed</c> only. A tenth of the
/// samples, at most 2,000, is held out; the state with the lowest loss on them is kept, the state before training included. A loss that is no finite number, or ten times what it was before
/// training, ends the training with a warning.
/// </remarks>
/// <param name="source">Gradients over the training data.</param>
/// <param name="cancellation">Stops the work.</param>
public sealed class FineTuneWeights(IGradientSource source, CancellationToken cancellation = default) : ModelPass
{
    /// <inheritdoc/>
    protected override void Apply(Model model, CompressionSettings settings, PassLog log)
    {
        var weights = TrainableWeights.Of(model, settings);
        if (weights.Count == 0)
        {
            log.Refused(Name, "model", "there are no floating point weights in scope to train");
            log.Report(Diagnostic.Warning("MCB4067", "FineTuneEpochs had no effect: the model has no floating point weights outside of branches, loops and functions that are in scope of IncludeOpTypes, ExcludeOpTypes and ExcludeNodes."));
            return;
        }

        var options = settings.Model;
        var loss = options.FineTuneLoss switch
        {
            FineTuneLoss.Labels => source.NaturalLoss ?? TrainingLoss.Labels,
            FineTuneLoss.Distillation => TrainingLoss.Distillation,
            _ => source.NaturalLoss ?? TrainingLoss.Distillation,
        };
        float[][] current = [.. weights.Select(w => w.Value.TryGetConstant(out var tensor) ? FloatElements.AsFloat(tensor).AsSpan<float>().ToArray() : [])];
        TrainingRunResult result;
        using (var session = source.Open(model, weights.Select(w => w.Value).ToList(), loss, current))
        {
            float[]?[] masks = [.. weights.Select((w, i) => w.KeepsZeros ? MaskOf(current[i]) : null)];
            result = new TrainingRun(session, source, options, current, masks, log.Progress).Run(cancellation);
        }

        Record(log, loss, result);
        if (result.BestEpoch == 0) return;
        for (int i = 0; i < weights.Count; i++)
        {
            if (!weights[i].Value.TryGetConstant(out var before)) continue;
            var after = Rounded(before, result.Weights[i]);
            weights[i].Value.SetConstant(after);
            if (weights[i].KeepsZeros) Record(PruningRecord.Of(log, weights[i].Value, before, weights[i].Node), before, after);
        }
    }

    private void Record(PassLog log, TrainingLoss loss, TrainingRunResult result)
    {
        string judged = result.HoldsOut ? "held-out loss" : "loss on the same samples (too few to hold some out)";
        foreach (var epoch in result.Epochs)
        {
            string training = epoch.Number == 0 ? "before training" : FormattableString.Invariant($"training loss {epoch.Training:0.0000}");
            log.Applied(Name, FormattableString.Invariant($"epoch {epoch.Number}"), FormattableString.Invariant($"{loss}: {training}, {judged} {epoch.HeldOut:0.0000}"));
        }

        log.Applied(Name, "model", FormattableString.Invariant($"kept the weights of epoch {result.BestEpoch} of {result.Epochs.Count - 1}, {judged} {result.Epochs[result.BestEpoch].HeldOut:0.0000}"));
        if (result.Diverged is { } reason)
        {
            log.Report(Diagnostic.Warning("MCB4063", FormattableString.Invariant(
                $"Fine-tuning was stopped in epoch {result.StoppedIn}: {reason}. The weights of epoch {result.BestEpoch} are kept. Lower LearningRate (it was {result.LearningRate:G6}).")));
        }
        else if (result.BestEpoch == 0)
        {
            log.Report(Diagnostic.Warning("MCB4066", $"Fine-tuning did not lower the loss {(result.HoldsOut ? "on the held-out tenth of the training data" : "on the training data")}, so the weights are as before it. Give more training data, or a lower LearningRate."));
        }
    }

    /// <summary>Trained elements in the type of the weight; beyond the range of binary16 its largest number.</summary>
    internal static Tensor Rounded(Tensor before, float[] elements)
    {
        float limit = before.DataType == DataType.Float16 ? (float)Half.MaxValue : float.MaxValue;
        var data = before.DataType == DataType.Float ? TensorData.FromArray(elements)
            : FloatingPointData.Write(before.DataType, before.Dims, Array.ConvertAll(elements, e => (double)Math.Clamp(e, -limit, limit))).Data;
        return new(before.DataType, before.Dims, data) { DocString = before.DocString };
    }

    private static void Record(LayerRecord record, Tensor before, Tensor after)
    {
        var (loss, kept, _) = UpdateRecord.Difference(before, after);
        record.Lose(LossStep.Training, loss, kept);
        record.AddAction("fine-tuned");
    }

    /// <summary>Zeros where the weight is zero; null when it has none.</summary>
    private static float[]? MaskOf(float[] weight) => weight.AsSpan().Contains(0f) ? Array.ConvertAll(weight, w => w == 0 ? 0f : 1f) : null;
}
