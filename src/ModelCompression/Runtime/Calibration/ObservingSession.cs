using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;

namespace ModelCompression.Runtime.Calibration;

/// <summary>Opens a copy of a model that returns inner tensors too. The model itself is only read, see <see cref="ObservedCopy"/>.</summary>
internal static class ObservingSession
{
    /// <summary>Opens the model with <paramref name="wanted"/> as additional outputs.</summary>
    /// <exception cref="DiagnosticException">MCB2040: ONNX Runtime refuses it.</exception>
    public static ModelSession Open(Model model, IReadOnlyList<Value> wanted, SessionSettings settings) => new ObservedCopy(model).Open(wanted, settings);

    /// <summary>The same for a few runs: large weights are lent to the session. The few models that need the optimizer or their constants inside are opened the usual way.</summary>
    /// <exception cref="DiagnosticException">MCB2040: ONNX Runtime refuses it.</exception>
    public static ModelSession OpenForFewRuns(Model model, IReadOnlyList<Value> wanted, int threads)
    {
        if (LentWeights.Of(model) is { } weights)
        {
            try
            {
                return new ObservedCopy(model).Open(wanted, SessionSettings.Lean with { Threads = threads }, weights);
            }
            catch (DiagnosticException)
            {
                // Below.
            }
        }

        return Open(model, wanted, SessionSettings.Default with { Threads = threads });
    }
}
