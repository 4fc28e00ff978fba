using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Passes;
using ModelCompression.Passes.Pruning.ByActivation;
using ModelCompression.Passes.Pruning.ByGradient;
using ModelCompression.Passes.Pruning.Channels;
using ModelCompression.Passes.Training;
using ModelCompression.Statistics;

namespace ModelCompression.Pipeline;

/// <summary>Notes which weights a pass has made from sums over the data that are too large to be recorded.</summary>
/// <param name="record">Takes digests.</param>
/// <param name="model">The model.</param>
internal sealed class StepOutcomes(MeasurementRecord record, Model model)
{
    /// <summary>Runs a pass and notes the weights it exchanged.</summary>
    /// <param name="pass">The pass.</param>
    /// <param name="run">Runs it.</param>
    public void Watch(ModelPass pass, Action run)
    {
        if (pass is not (RemoveChannels or CompensatePruning or PruneByActivation or PruneByGradient or FineTuneWeights))
        {
            run();
            return;
        }

        var before = Weights().ToHashSet();
        run();
        foreach (var (name, tensor) in Weights().Where(w => !before.Contains(w))) record.Outcome($"{pass.Name} of {name}", tensor.Data.Blocks());
    }

    /// <summary>Tensors do not change; a weight that was changed is another tensor.</summary>
    private IEnumerable<(string Name, Tensor Tensor)> Weights()
    {
        foreach (var value in model.Graph.Initializers)
            if (value.TryGetConstant(out var tensor) && tensor.DataType.IsFloatingPoint()) yield return (value.Name, tensor);
    }
}
