using System.Text;
using System.Text.RegularExpressions;
using ModelCompression.Reports;
using ModelCompression.Reports.Html;
using ModelCompression.Testing;
using ModelCompression.Tests.Pipeline;

namespace ModelCompression.Tests.Reports;

[TestClass]
public sealed partial class HtmlReportTests
{
    [TestMethod]
    public void Page_CarriesEverythingItNeeds()
    {
        string page = Text(Sample());

        foreach (Match address in Address().Matches(page))
            Assert.Fail(address.Value);
        Assert.DoesNotContain("</script><script src", page);
        Assert.Contains("Chart.js v4", page);
    }

    [TestMethod]
    public void Page_NamesFromTheModelCannotBecomeMarkup()
    {
        const string name = "</script><img src=x onerror=alert(1)>\"'&";
        var report = Sample();
        report = report with { Layers = [report.Layers[0] with { Node = name, Weight = name, Action = name }], Edits = [new("P", name, false, name)], Settings = new Dictionary<string, string> { ["ExcludeNodes"] = name } };

        string page = Text(report);

        Assert.DoesNotContain("<img", page);
        Assert.HasCount(3, ScriptEnd().Matches(page));
    }

    [TestMethod]
    public void Figures_SayWhatTheyAre()
    {
        var report = Sample();
        report = report with { Settings = new SortedDictionary<string, string> { ["WeightBits"] = "8" }, Quantization = report.Quantization with { MeanBits = 6.6 } };

        string page = Text(report);

        Assert.Contains("<td>0.40 MB</td><td>0.42 MB</td>", page, "sizes in gates have a unit");
        Assert.Contains("<td>8 (chosen per weight: 4 to 8)</td>", page);
        Assert.Contains("6.6 on average", page);
        Assert.Contains("Weights removed or zero, percent", page);
    }

    [TestMethod]
    public void Page_IsTheSameInEveryCulture()
    {
        var before = System.Globalization.CultureInfo.CurrentCulture;
        string invariant = Text(Sample());
        try
        {
            System.Globalization.CultureInfo.CurrentCulture = new("tr-TR");
            Assert.AreEqual(invariant, Text(Sample()));
        }
        finally
        {
            System.Globalization.CultureInfo.CurrentCulture = before;
        }
    }

    [TestMethod]
    public void Pipeline_CollectsDetailsForTheHtmlReportOnly()
    {
        using var fixture = new PipelineFixture();
        var report = fixture.Run(("Quantization", "Static"), ("CalibrationData", PipelineFixture.SampleData), ("CalibrationSamples", "16"), ("ValidationData", PipelineFixture.SampleData)).Report!;

        var details = report.Details!;
        var worst = report.Layers.Where(l => l.SqnrDb is not null).OrderBy(l => l.SqnrDb).ThenBy(l => l.Weight, StringComparer.Ordinal).ToList();
        Assert.HasCount(worst.Count, details.Histograms);
        for (int i = 0; i < worst.Count; i++)
        {
            Assert.AreEqual(worst[i].Weight, details.Histograms[i].Weight);
            Assert.AreEqual(worst[i].OriginalBytes / 4, details.Histograms[i].Before.Sum());
            Assert.AreEqual(worst[i].OriginalBytes / 4, details.Histograms[i].After.Sum());
        }

        // A weight of few elements and many bits may keep all of them in their bins; not every weight does.
        Assert.IsTrue(details.Histograms.Any(h => !h.Before.SequenceEqual(h.After)), "no histogram shows a change");

        Assert.IsGreaterThanOrEqualTo(4, details.Ranges.Count);
        Assert.AreEqual(10, details.Confusion!.Classes);
        Assert.AreEqual(2000, details.Confusion.Cells.Sum(c => c.Original));
        Assert.AreEqual(2000, details.Confusion.Cells.Sum(c => c.Compressed));
        Assert.AreEqual(report.Validation!.Original!.Value, details.Confusion.Cells.Where(c => c.Label == c.Predicted).Sum(c => c.Original) / 2000.0, 1e-12);
        Assert.AreEqual(report.Validation.Compressed!.Value, details.Confusion.Cells.Where(c => c.Label == c.Predicted).Sum(c => c.Compressed) / 2000.0, 1e-12);
        Assert.DoesNotContain("histograms", File.ReadAllText(fixture.Output + ".report.json"));
    }

    [TestMethod]
    [DataRow(390, false)]
    [DataRow(390, true)]
    [DataRow(1280, false)]
    [DataRow(1280, true)]
    public void Browser_DrawsEveryChartWithoutAnError(int width, bool dark)
    {
        using var folder = new TemporaryFolder();
        string path = folder.Combine("m.onnx.report.html");
        // Chromium's windows are at least 500 pixels wide; the page knows no widths but that of its root.
        File.WriteAllText(path, Text(Sample()).Replace("</style>", FormattableString.Invariant($"html {{ width: {width}px; }}</style>"), StringComparison.Ordinal));
        string picture = Path.Combine(RepositoryPaths.Artifacts, "reports", FormattableString.Invariant($"report-{(dark ? "dark" : "light")}-{width}.png"));

        var page = Browser.Open(path, width, dark, picture);

        Assert.IsEmpty(page.Messages, string.Join('\n', page.Messages));
        var charts = Canvas().Matches(page.Dom);
        CollectionAssert.AreEquivalent(
            new[] { "trials-chart", "bytes-chart", "bits-chart", "sparsity-chart", "sqnr-chart", "histogram-0", "gradients-chart", "ranges-chart" },
            charts.Select(c => c.Groups["id"].Value).ToArray());
        foreach (Match chart in charts)
        {
            // The library writes the size it draws with into the element.
            var size = Size().Match(chart.Value);
            Assert.IsTrue(size.Success, chart.Value);
            double drawn = double.Parse(size.Groups["width"].Value, System.Globalization.CultureInfo.InvariantCulture);
            Assert.IsGreaterThan(150, drawn, chart.Value);
            Assert.IsLessThan(width, drawn, chart.Value);
        }

        foreach (string id in new[] { "gates", "trials", "layers", "settings", "refused", "confusion" }) Assert.Contains($"id=\"{id}\"", page.Dom);
        Assert.IsGreaterThan(20_000, new FileInfo(picture).Length);
    }

    [TestMethod]
    public void Index_ListsModelsAndLinksTheirReports()
    {
        var report = Sample();

        string page = Encoding.UTF8.GetString(ProjectIndex.Serialize("App", [("Models/a b.onnx.report.html", report with { Model = "Models/a b.onnx" }), ("c.onnx.report.html", report with { Model = "c.onnx", Status = "original", StatusReason = "nothing gained" })]));

        Assert.Contains("<a href=\"Models/a%20b.onnx.report.html\">Models/a b.onnx</a>", page);
        Assert.Contains("original: nothing gained", page);
        Assert.Contains("<span class=\"failed\">MaxSize</span>", page);
    }

    /// <summary>A report with everything in it.</summary>
    internal static CompressionReport Sample() => new()
    {
        Model = "Models/digits.onnx",
        ToolVersion = "1.2.3",
        Status = "compressed",
        Original = new() { Bytes = 2_000_000, Sha256 = new string('a', 64), Parameters = 500_000, NonZeroParameters = 500_000, Macs = 19_000_000 },
        Compressed = new() { Bytes = 420_000, Sha256 = new string('b', 64), Parameters = 500_000, NonZeroParameters = 200_000, Macs = 19_000_000, GzipBytes = 400_000 },
        Settings = new SortedDictionary<string, string> { ["Preset"] = "Balanced", ["Strategy"] = "Auto" },
        Pruning = new("Magnitude", "Unstructured", 0.6),
        Quantization = new("WeightOnly", 8),
        Fidelity = new() { Samples = 16, SqnrDb = 31.4, Cosine = 0.9997, TopOneAgreement = 0.99, Inputs = "validation" },
        Validation = new() { Metric = "Top1", Samples = 2000, Original = 0.912, Compressed = 0.908, Drop = 0.004, Passed = true },
        Latency = new(1.25, 0.98, 0.784, 101),
        Layers = [.. Enumerable.Range(0, 30).Select(i => new LayerFigures
        {
            Node = $"/encoder/layer.{i}/attention/MatMul", OpType = "MatMul", Weight = $"w{i}", OriginalBytes = 100_000 + (i * 20_000), CompressedBytes = 20_000 + (i * 3_000),
            Sparsity = i % 7 / 10.0, Bits = i % 3 == 0 ? 4 : 8, SqnrDb = i == 5 ? null : 20 + (i % 11 * 2.5), Action = "weight-only int8 per channel, folded", Reason = "",
        })],
        Gates = [new("MaxMetricDrop", 0.01, 0.004, true), new("MaxSize", 400_000, 420_000, false)],
        Edits = [new("FoldBatchNormalization", "/bn1", true, "into /conv1"), new("QuantizeWeights", "/head/Gemm", false, "in ExcludeNodes")],
        Trials = [.. Enumerable.Range(1, 24).Select(i => new TrialFigures
        {
            Number = i, Name = $"candidate {i}", Settings = $"WeightBits=\"{2 + (i % 7)}\" Sparsity=\"0.{i % 10}\"", Bytes = 200_000 + (i % 7 * 120_000) + (i * 9_000), Metric = 0.88 + (0.03 * (1 - Math.Exp(-(i % 7) / 2.0))) - (i % 5 * 0.001),
            Passed = i % 3 != 0, Chosen = i == 8, Problem = i % 3 == 0 ? "MaxMetricDrop" : "",
        })],
        Details = new()
        {
            Histograms = [new("/encoder/layer.0/attention/MatMul", "w0", -0.5, 0.5, [.. Enumerable.Range(0, 61).Select(i => (long)(10_000 * Math.Exp(-Math.Pow((i - 30) / 9.0, 2))))], [.. Enumerable.Range(0, 61).Select(i => i % 4 == 2 ? (long)(40_000 * Math.Exp(-Math.Pow((i - 30) / 9.0, 2))) : 0)], 22.5)],
            Ranges = [.. Enumerable.Range(0, 18).Select(i => new RangeFigures($"/encoder/layer.{i}/Relu_output_0", i % 2 == 0 ? 0 : -2.5 - i, 3 + i))],
            Gradients = new(0.004, 0.02, [.. Enumerable.Range(0, 400).Select(i => (Mean: i % 37 * 0.0004, Std: i % 53 * 0.001)).Select((p, i) => new GradientPoint($"/fc1[{i}]", p.Mean, p.Std, p.Mean <= 0.004 && p.Std <= 0.02))]),
            Confusion = new(10, [new(0, 0, 190, 188), new(0, 6, 10, 12), new(6, 0, 20, 19), new(6, 6, 150, 151), new(3, 3, 180, 180)]),
        },
    };

    private static string Text(CompressionReport report) => Encoding.UTF8.GetString(HtmlReport.Serialize(report));

    [GeneratedRegex("(?:src|href)=\"(?!data:,)[^\"]*\"")]
    private static partial Regex Address();

    [GeneratedRegex("</script>")]
    private static partial Regex ScriptEnd();

    [GeneratedRegex("<canvas id=\"(?<id>[^\"]+)\"[^>]*>")]
    private static partial Regex Canvas();

    [GeneratedRegex("height: [0-9.]+px; width: (?<width>[0-9.]+)px")]
    private static partial Regex Size();
}
