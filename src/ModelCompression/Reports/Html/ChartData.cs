using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace ModelCompression.Reports.Html;

/// <summary>What the page's script draws.</summary>
internal sealed record ChartData
{
    /// <summary>Weights that take the most bytes, largest first.</summary>
    public required IReadOnlyList<LayerFigures> Layers { get; init; }

    /// <summary>Candidates of a search, or null.</summary>
    public IReadOnlyList<TrialFigures>? Trials { get; init; }

    /// <summary>Name of the metric on the vertical axis; empty without one.</summary>
    public string Metric { get; init; } = "";

    /// <summary>True for errors.</summary>
    public bool LowerIsBetter { get; init; }

    /// <summary>The original as a point among the trials.</summary>
    public double? OriginalMetric { get; init; }

    /// <summary>Bytes of the original.</summary>
    public long OriginalBytes { get; init; }

    /// <summary>Gates to draw among the trials.</summary>
    public required IReadOnlyList<GateFigures> Gates { get; init; }

    /// <summary>Details, or null.</summary>
    public ReportDetails? Details { get; init; }

    /// <summary>JSON that is safe inside a script element: no tag can end it.</summary>
    public string ToScript() => Encoding.UTF8.GetString(JsonSerializer.SerializeToUtf8Bytes(this, ChartJson.Compact.ChartData)).Replace("<", "\\u003c", StringComparison.Ordinal);
}

/// <summary>Generated serialization.</summary>
[JsonSerializable(typeof(ChartData))]
internal sealed partial class ChartJson : JsonSerializerContext
{
    /// <summary>For the script.</summary>
    public static ChartJson Compact { get; } = new(new JsonSerializerOptions { PropertyNamingPolicy = JsonNamingPolicy.CamelCase, NewLine = "\n" });
}
