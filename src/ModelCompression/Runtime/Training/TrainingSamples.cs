using ModelCompression.Data;

namespace ModelCompression.Runtime.Training;

/// <summary>The feeds of a training set, kept in memory when they fit, since they are read again and again in any order.</summary>
internal sealed class TrainingSamples
{
    private const long MaxByteLength = 3L << 30;

    private readonly DataSet data;
    private readonly Sample?[]? kept;
    private readonly Lock gate = new();

    public TrainingSamples(DataSet data)
    {
        this.data = data;
        var first = data.Read(0);
        long bytes = first.Inputs.Concat(first.ExpectedOutputs).Sum(v => (v.Value as TensorValue)?.Tensor.ByteLength ?? 0);
        if (bytes * data.Count <= MaxByteLength) kept = new Sample?[data.Count];
        IsBatchable = first.Inputs.All(i => i.Value is TensorValue { Tensor: { Rank: > 0, Strings: null } t } && t.Dims[0] == 1) && first.RowCount is null;
    }

    /// <summary>Number of feeds.</summary>
    public int Count => data.Count;

    /// <summary>True if feeds are kept after they were read once.</summary>
    public bool IsRandomAccess => kept is not null;

    /// <summary>True if feeds have one row each and could be joined along axis 0.</summary>
    public bool IsBatchable { get; }

    /// <summary>Whether feeds have labels.</summary>
    public bool HasLabels => data.HasLabels;

    /// <summary>Outputs with expected values.</summary>
    public IReadOnlyList<string> ExpectedOutputs => data.ExpectedOutputs;

    /// <summary>Feed <paramref name="index"/>.</summary>
    public Sample this[int index]
    {
        get
        {
            if (kept?[index] is { } sample) return sample;
            lock (gate)
            {
                sample = kept?[index] ?? data.Read(index);
                if (kept is not null) kept[index] = sample;
                return sample;
            }
        }
    }

    /// <summary>Reads everything in file order, which a compressed file gives fastest.</summary>
    public void ReadAll()
    {
        if (kept is null) return;
        for (int i = 0; i < kept.Length; i++) _ = this[i];
    }
}
