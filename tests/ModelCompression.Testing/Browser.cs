using System.Text.RegularExpressions;

namespace ModelCompression.Testing;

/// <summary>
/// Headless Chromium. Taken from the machine, or installed from Debian where the tests run as root; otherwise the calling test is inconclusive, with the environment
/// variable <c>CI=true</c> failed.
/// </summary>
public static partial class Browser
{
    private static readonly Lazy<string> Program = new(Find);

    /// <summary>What a page came to.</summary>
    /// <param name="Dom">The document after its scripts have run.</param>
    /// <param name="Messages">Messages of its scripts: errors, warnings, everything.</param>
    public sealed record Page(string Dom, IReadOnlyList<string> Messages);

    /// <summary>Opens a page.</summary>
    /// <param name="path">A file.</param>
    /// <param name="width">Width of the window in pixels.</param>
    /// <param name="dark">Whether the user prefers dark colours.</param>
    /// <param name="screenshot">Where to put a picture of the page, or null.</param>
    public static Page Open(string path, int width, bool dark, string? screenshot = null)
    {
        using var profile = new TemporaryFolder("mcb-chromium-");
        List<string> arguments =
        [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", $"--user-data-dir={profile.Path}", "--enable-logging=stderr", "--v=0",
            "--virtual-time-budget=4000", FormattableString.Invariant($"--window-size={width},2400"),
            // Nothing may be fetched: with every name unresolvable a page that tries shows an error.
            "--host-resolver-rules=MAP * ~NOTFOUND",
        ];
        if (dark) arguments.Add("--blink-settings=preferredColorScheme=0");
        string address = new Uri(path).AbsoluteUri;
        if (screenshot is not null)
        {
            Directory.CreateDirectory(System.IO.Path.GetDirectoryName(screenshot)!);
            var picture = ExternalCommand.Run(Program.Value, [.. arguments, $"--screenshot={screenshot}", address], profile.Path, timeout: TimeSpan.FromMinutes(2));
            Assert.IsTrue(File.Exists(screenshot), picture.Output);
        }

        var run = ExternalCommand.Run(Program.Value, [.. arguments, "--dump-dom", address], profile.Path, timeout: TimeSpan.FromMinutes(2));
        return new(run.Output, [.. run.Output.Split('\n').Where(line => Message().IsMatch(line))]);
    }

    private static string Find()
    {
        if (OnPath() is { } found) return found;
        string[] install = ["-qq", "install", "--yes", "--no-install-recommends", "chromium"];
        var result = ExternalCommand.Run("apt-get", install, "/");
        if (result.ExitCode != 0)
        {
            _ = ExternalCommand.Run("apt-get", ["-qq", "update"], "/");
            result = ExternalCommand.Run("apt-get", install, "/");
        }

        if (OnPath() is { } installed) return installed;
        string message = $"Chromium is not available: {result.Output.Trim()}";
        throw Environment.GetEnvironmentVariable("CI") == "true" ? new AssertFailedException(message) : new AssertInconclusiveException(message);
    }

    private static string? OnPath() => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(System.IO.Path.PathSeparator)
        .SelectMany(folder => new[] { "chromium", "chromium-browser", "google-chrome" }.Select(name => System.IO.Path.Combine(folder, name))).FirstOrDefault(File.Exists);

    [GeneratedRegex(":CONSOLE[:(]")]
    private static partial Regex Message();
}
