using ModelCompression.Data;

namespace ModelCompression.Runtime;

/// <summary>The samples of a data set, for a check.</summary>
/// <param name="data">The data; stays open as long as this is used.</param>
/// <param name="origin">What the user gave it for.</param>
public sealed class DataSetSamples(DataSet data, SampleOrigin origin) : SampleSource
{
    /// <inheritdoc/>
    public override SampleOrigin Origin => origin;

    /// <inheritdoc/>
    public override int Count => data.Count;

    /// <inheritdoc/>
    public override Sample Read(int attempt, int index) => data.Read(index);

    /// <inheritdoc/>
    public override Sample Read(int attempt, int index, SampleBuffers buffers) => data.Read(index, buffers);
}
