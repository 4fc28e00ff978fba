using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;

namespace ModelCompression.Runtime.Calibration;

/// <summary>
/// A copy of a model to which outputs, and nodes that compute them, are added for a while. The model itself is only read, so that others may read it at the same time and see what they always
/// see. Weights are shared. One thread at a time may use the copy.
/// </summary>
/// <param name="model">The model; it must stay open, and must not be edited while the copy is in use.</param>
internal sealed class ObservedCopy(Model model)
{
    /// <summary>From here on the model goes to ONNX Runtime by a temporary file, which it maps, instead of through memory.</summary>
    private const long BigModelByteLength = 256L << 20;

    private readonly ModelCopy copy = ModelCopy.Of(model);

    /// <summary>The model that was copied.</summary>
    public Model Model => model;

    /// <summary>The main graph of the copy.</summary>
    public OnnxGraph Graph => copy.Model.Graph;

    /// <summary>The copy of a value of the model; a value that only the copy has is that value.</summary>
    public Value this[Value value] => copy.Values.GetValueOrDefault(value, value);

    /// <summary>Opens the copy with additional outputs, which it has no more afterwards.</summary>
    /// <param name="wanted">Values of the model or of the copy; those that the model returns anyway are not added.</param>
    /// <param name="settings">How the session is opened.</param>
    /// <exception cref="DiagnosticException">MCB2040: ONNX Runtime refuses it.</exception>
    public ModelSession Open(IReadOnlyList<Value> wanted, SessionSettings settings)
    {
        long weights = Graph.Initializers.Sum(i => i.Initializer?.ByteLength ?? 0);
        return WithOutputs(wanted, () => weights < BigModelByteLength ? ModelSession.Open(OnnxWriter.ToBytes(copy.Model), "model", settings, ModelRole.Original) : OpenFile(settings));
    }

    /// <summary>The same with large weights lent to the session, which takes them over, also when it fails. The copy cannot be opened again.</summary>
    /// <exception cref="DiagnosticException">MCB2040: ONNX Runtime refuses it.</exception>
    public ModelSession Open(IReadOnlyList<Value> wanted, SessionSettings settings, LentWeights weights) =>
        WithOutputs(wanted, () => ModelSession.Open(copy.Model, settings, ModelRole.Original, weights));

    private ModelSession WithOutputs(IReadOnlyList<Value> wanted, Func<ModelSession> open)
    {
        int outputCount = Graph.Outputs.Count;
        foreach (var value in wanted.Select(v => this[v]))
            if (!value.OutputOf.Contains(Graph)) Graph.AddOutput(value);
        try
        {
            return open();
        }
        finally
        {
            Graph.TrimOutputs(outputCount);
        }
    }

    private ModelSession OpenFile(SessionSettings settings)
    {
        string folder = Directory.CreateTempSubdirectory("mcb-").FullName;
        try
        {
            return ModelSession.Open(OnnxWriter.Write(copy.Model, Path.Combine(folder, "model.onnx")).Path, settings, ModelRole.Original);
        }
        finally
        {
            try
            {
                Directory.Delete(folder, recursive: true);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Mapped files cannot be deleted on Windows while the session lives; the system's clean-up gets what is left.
            }
        }
    }
}
