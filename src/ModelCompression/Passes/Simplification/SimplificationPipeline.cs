using ModelCompression.Onnx.Graph;
using ModelCompression.Options;

namespace ModelCompression.Passes.Simplification;

/// <summary>Runs the clean-up passes in turn until none of them changes anything any more.</summary>
/// <remarks>The order lets each pass see what earlier ones exposed: unused parts first, so that nothing works on them; then identities and constants,
/// which hide linear layers from the folding passes; sharing and imports last.</remarks>
public sealed class SimplificationPipeline
{
    /// <summary>Rounds through all passes after which it stops even if something still changes; less than two are usual.</summary>
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
        new FuseHardSigmoid(),
        new FoldIntoNextConvolution(),
        new ShareDuplicateInitializers(),
        new RemoveUnusedNodes(),
        new RemoveUnusedOpsetImports(),
        new RemoveDefaultAttributes(),
    ];

    /// <summary>Simplifies a model in place. Edits and refusals go to <paramref name="log"/>, a refusal repeated in several rounds once.</summary>
    /// <exception cref="InvalidOperationException">The graph is inconsistent before, or after a pass: a defect of ours.</exception>
    public void Run(Model model, CompressionSettings settings, PassLog log)
    {
        var own = new PassLog();
        // The graph is verified before the first pass and after each that edits it, so each pass starts from a verified one.
        passes[0].Run(model, settings, own);
        int idle = own.Edits.Any(e => e.Applied) ? 0 : 1;
        for (int next = 1; idle < passes.Count && next < MaxRounds * passes.Count; next++)
            idle = passes[next % passes.Count].RunOnVerified(model, settings, own) ? 0 : idle + 1;
        var refusals = new HashSet<PassEdit>();
        foreach (var edit in own.Edits)
        {
            if (edit.Applied) log.Applied(edit.Pass, edit.Target, edit.Reason);
            else if (refusals.Add(edit)) log.Refused(edit.Pass, edit.Target, edit.Reason);
        }

        foreach (var diagnostic in own.Diagnostics) log.Report(diagnostic);
    }
}
