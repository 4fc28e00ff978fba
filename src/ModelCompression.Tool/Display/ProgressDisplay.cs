using System.Globalization;
using ModelCompression.Pipeline;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace ModelCompression.Tool.Display;

/// <summary>A progress bar with rate and time left on standard error; nothing at all when that is not a terminal.</summary>
internal static class ProgressDisplay
{
    /// <summary>Runs work that tells how far it is.</summary>
    /// <param name="name">What the work is about, such as the model's name.</param>
    /// <param name="work">The work.</param>
    public static T Run<T>(string name, Func<Action<RunProgress>?, T> work) =>
        Console.IsErrorRedirected ? work(null) : Run(AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) }), name, work);

    /// <summary>Runs it on a console, if that is one.</summary>
    internal static T Run<T>(IAnsiConsole console, string name, Func<Action<RunProgress>?, T> work)
    {
        if (!console.Profile.Capabilities.Interactive || !console.Profile.Out.IsTerminal) return work(null);
        return console.Progress().AutoClear(true).HideCompleted(true)
            .Columns(new SpinnerColumn(), new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn(), new RateColumn(), new RemainingTimeColumn())
            .Start(context => work(new StageTasks(context, name).Show));
    }

    /// <summary>One bar per stage; the bar of a stage without a count only shows that something moves.</summary>
    private sealed class StageTasks(ProgressContext context, string name)
    {
        private readonly Lock gate = new();
        private string stage = "";
        private ProgressTask? task;

        public void Show(RunProgress progress)
        {
            lock (gate)
            {
                if (task is null || stage != progress.Stage)
                {
                    task?.StopTask();
                    stage = progress.Stage;
                    task = context.AddTask(Markup.Escape($"{name}: {stage}"), maxValue: Math.Max(1, progress.Total));
                    task.IsIndeterminate = progress.Total == 0;
                }

                if (progress.Total > 0) task.Value = Math.Max(task.Value, progress.Done);
            }
        }
    }

    /// <summary>Steps per second.</summary>
    private sealed class RateColumn : ProgressColumn
    {
        public override IRenderable Render(RenderOptions options, ProgressTask task, TimeSpan deltaTime) =>
            new Text(!task.IsIndeterminate && task.Speed is { } speed ? string.Create(CultureInfo.InvariantCulture, $"{speed:0.#}/s") : "");
    }
}
