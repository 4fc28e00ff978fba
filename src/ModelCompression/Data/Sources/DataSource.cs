namespace ModelCompression.Data.Sources;

/// <summary>One entry of a data setting: a file or a folder, checked against the model when opened and read sample by sample.</summary>
internal abstract class DataSource : IDisposable
{
    /// <summary>Number of feeds.</summary>
    public abstract int Count { get; }

    /// <summary>Rows of data in all feeds: more than <see cref="Count"/> when the model has a fixed batch size above 1.</summary>
    public abstract long RowCount { get; }

    /// <summary>Whether samples have labels.</summary>
    public virtual bool HasLabels => false;

    /// <summary>Why labels that nobody needs were left out; null when they were not.</summary>
    public virtual Onnx.Diagnostics.Diagnostic? LabelProblem => null;

    /// <summary>Outputs for which expected values are there.</summary>
    public virtual IReadOnlyList<string> ExpectedOutputs => [];

    /// <summary>Reads feed <paramref name="index"/>, into <paramref name="buffers"/> where the source has large arrays. Thread-safe.</summary>
    public abstract Sample Read(int index, SampleBuffers? buffers);

    /// <inheritdoc/>
    public virtual void Dispose()
    {
    }
}
