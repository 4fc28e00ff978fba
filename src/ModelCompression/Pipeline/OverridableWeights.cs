using ModelCompression.Onnx.Graph;
using ModelCompression.Passes;
using ModelCompression.Passes.Simplification;

namespace ModelCompression.Pipeline;

/// <summary>Weights that are listed as graph inputs too, so that callers may pass others in their place.</summary>
/// <remarks>
/// Exporters list all weights in this way when asked to, or always; hardly anyone passes any, and ONNX Runtime neither counts them among a session's inputs nor folds them. So they are compressed like others, and leave the list
/// when something else takes their place: the caller could pass no floats for codes. The report says so for each.
/// </remarks>
internal sealed class OverridableWeights
{
    private readonly Value[] listed;

    private OverridableWeights(Value[] listed) => this.listed = listed;

    /// <summary>Finds them.</summary>
    public static OverridableWeights Of(Model model) => new([.. model.Graph.Initializers.Where(v => GraphScope.IsOverridable(model, v))]);

    /// <summary>Adds to the records of those that are no longer listed that they were.</summary>
    public void ReportMissing(Model model, PassLog log)
    {
        foreach (var value in listed)
        {
            if (model.Graph.Inputs.Contains(value) || log.LayerOf(value) is not { } record) continue;
            const string note = "was also a graph input that callers could pass another weight for; it no longer is";
            record.Reason = record.Reason.Length == 0 ? note : $"{record.Reason}; {note}";
        }
    }
}
