using System.Globalization;
using Spectre.Console;

namespace ModelCompression.Tool.Display;

/// <summary>Standard output for people: tables and trees, in plain text and unbroken lines when it goes to a file.</summary>
internal static class ResultConsole
{
    private const int FileWidth = 240;

    /// <summary>The console for results.</summary>
    public static IAnsiConsole Create()
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Out), Ansi = Console.IsOutputRedirected ? AnsiSupport.No : AnsiSupport.Detect });
        if (Console.IsOutputRedirected) console.Profile.Width = FileWidth;
        return console;
    }

    /// <summary>A size for people, in powers of ten.</summary>
    public static string Bytes(long bytes) => bytes switch
    {
        < 1000 => string.Create(CultureInfo.InvariantCulture, $"{bytes} B"),
        < 1_000_000 => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e3:0.0} kB"),
        < 1_000_000_000 => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e6:0.00} MB"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e9:0.00} GB"),
    };

    /// <summary>A whole number with separators.</summary>
    public static string Count(long value) => value.ToString("N0", CultureInfo.InvariantCulture);

    /// <summary>A change in percent with its sign.</summary>
    public static string Change(double before, double after) => before == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $"{((after / before) - 1) * 100:+0.0;-0.0;0.0} %");
}
