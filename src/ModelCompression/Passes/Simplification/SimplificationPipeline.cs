using ModelCompression.Onnx.Graph;
using ModelCompression.Options;

namespace ModelCompression.Passes.Simplification;

/// <summary>Runs the clean-up passes in order, again and again until nothing changes any more.</summary>
/// <remarks>The order lets each pass see what earlier ones exposed: unused parts first, so that nothing works on them; then identities and constants,
/// which hide linear layers from the folding passes; sharing and imports last.</remarks>
public sealed class SimplificationPipeline
{
    /// <summary>Rounds after which it stops even if something still changes; two are usual.</summary>
    public const int MaxRounds = 8;

    private readonly IReadOnlyList<ModelPass> passes;

    /// <summary>Makes a pipeline.</summary>
    /// <param name="evaluator">Computes constants that <see cref="FoldConstants"/> cannot compute itself, or null to leave those in the graph.</param>
    public SimplificationPipeline(IConstantEvaluator? evaluator = null) => passes =
    [
        new RemoveUnusedNodes(),
        new RemoveIdentities(),
        new FoldConstants(evaluator),
        new FoldBatchNormalization(),
        new FoldChannelArithmetic(),
        new ShareDuplicateInitializers(),
        new RemoveUnusedNodes(),
        new RemoveUnusedOpsetImports(),
    ];

    /// <summary>Simplifies a model in place. Edits and refusals go to <paramref name="log"/>, a refusal repeated in several rounds once.</summary>
    public void Run(Model model, CompressionSettings settings, PassLog log)
    {
        var seen = new HashSet<PassEdit>();
        for (int round = 0; round < MaxRounds; round++)
        {
            var roundLog = new PassLog();
            foreach (var pass in passes) pass.Run(model, settings, roundLog);
            foreach (var edit in roundLog.Edits)
            {
                if (edit.Applied) log.Applied(edit.Pass, edit.Target, edit.Reason);
                else if (seen.Add(edit)) log.Refused(edit.Pass, edit.Target, edit.Reason);
            }

            foreach (var diagnostic in roundLog.Diagnostics) log.Report(diagnostic);
            if (!roundLog.Edits.Any(e => e.Applied)) return;
        }
    }
}
