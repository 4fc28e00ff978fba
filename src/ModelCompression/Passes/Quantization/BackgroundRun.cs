using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Statistics;

namespace ModelCompression.Passes.Quantization;

/// <summary>Statistics that are collected on a thread of their own. The model must not be edited until <see cref="Wait"/> returns.</summary>
internal sealed class BackgroundRun
{
    private readonly Task task;

    private BackgroundRun(Task task) => this.task = task;

    /// <summary>Begins. Statistics of a model that does not run on what is at hand stay empty; whoever compares outputs says why it does not run.</summary>
    public static BackgroundRun Start(Model model, IStatisticsSource source, StatisticsPlan plan) =>
        new(Task.Factory.StartNew(() => Collect(model, source, plan), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default));

    /// <summary>Waits for the end.</summary>
    public void Wait() => task.GetAwaiter().GetResult();

    private static void Collect(Model model, IStatisticsSource source, StatisticsPlan plan)
    {
        try
        {
            source.Collect(model, plan);
        }
        catch (DiagnosticException e) when (e.Diagnostic.Code is "MCB2040" or "MCB2041")
        {
            // Weights are rounded without knowing their inputs.
        }
    }
}
