using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;

namespace ModelCompression.Runtime.Calibration;

/// <summary>Opens a copy of a model that returns inner tensors too.</summary>
internal static class ObservingSession
{
    /// <summary>From here on the model goes to ONNX Runtime by a temporary file, which it maps, instead of through memory.</summary>
    private const long BigModelByteLength = 256L << 20;

    /// <summary>Opens the model with <paramref name="wanted"/> as additional outputs; the model is the same afterwards.</summary>
    /// <exception cref="DiagnosticException">MCB2040: ONNX Runtime refuses it.</exception>
    public static ModelSession Open(Model model, IReadOnlyList<Value> wanted, SessionSettings settings)
    {
        long weights = model.Graph.Initializers.Sum(i => i.Initializer?.ByteLength ?? 0);
        return WithOutputs(model, wanted, () => weights < BigModelByteLength ? ModelSession.Open(OnnxWriter.ToBytes(model), "model", settings, ModelRole.Original) : OpenFile(model, settings));
    }

    /// <summary>
    /// The same for a few runs: large weights are lent to the session. The few models that need the optimizer or their constants inside are opened the usual way. The model itself is not
    /// edited meanwhile, so that others may read it.
    /// </summary>
    /// <exception cref="DiagnosticException">MCB2040: ONNX Runtime refuses it.</exception>
    public static ModelSession OpenForFewRuns(Model model, IReadOnlyList<Value> wanted, int threads)
    {
        if (LentWeights.Of(model) is { } weights)
        {
            try
            {
                var (lean, outputs) = Copy(model, wanted);
                return WithOutputs(lean, outputs, () => ModelSession.Open(lean, SessionSettings.Lean with { Threads = threads }, ModelRole.Original, weights));
            }
            catch (DiagnosticException)
            {
                // Below.
            }
        }

        var (copy, copies) = Copy(model, wanted);
        return Open(copy, copies, SessionSettings.Default with { Threads = threads });
    }

    private static (Model Model, Value[] Wanted) Copy(Model model, IReadOnlyList<Value> wanted)
    {
        var copy = ModelCopy.Of(model);
        return (copy.Model, [.. wanted.Select(v => copy.Values[v])]);
    }

    private static ModelSession WithOutputs(Model model, IReadOnlyList<Value> wanted, Func<ModelSession> open)
    {
        int outputCount = model.Graph.Outputs.Count;
        foreach (var value in wanted)
            if (!value.OutputOf.Contains(model.Graph)) model.Graph.AddOutput(value);
        try
        {
            return open();
        }
        finally
        {
            model.Graph.TrimOutputs(outputCount);
        }
    }

    private static ModelSession OpenFile(Model model, SessionSettings settings)
    {
        string folder = Directory.CreateTempSubdirectory("mcb-").FullName;
        try
        {
            return ModelSession.Open(OnnxWriter.Write(model, Path.Combine(folder, "model.onnx")).Path, settings, ModelRole.Original);
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
