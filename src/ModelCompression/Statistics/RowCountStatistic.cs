namespace ModelCompression.Statistics;

/// <summary>How many rows a tensor has: what a <see cref="GramStatistic"/> would cost and tell, before it is collected.</summary>
/// <param name="rows">How the tensor is seen as rows.</param>
public sealed class RowCountStatistic(TensorRows rows) : TensorStatistic
{
    /// <summary>Rows seen.</summary>
    public long RowCount { get; private set; }

    /// <summary>The key under which passes share it.</summary>
    public static string Key(TensorRows rows) => $"rows:{rows.Key}";

    /// <inheritdoc/>
    public override object? Measure(TensorView x) => rows.TryMeasure(x.Shape, out long count, out _) ? count : 0L;

    /// <inheritdoc/>
    public override void Merge(object? partial) => RowCount += (long)partial!;
}
