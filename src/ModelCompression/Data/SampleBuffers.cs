namespace ModelCompression.Data;

/// <summary>
/// Memory that samples are read into, one after the other: a sample read with it is valid until the next one. For one thread at a time. Without it every sample has memory of its
/// own, which a pass over many would leave behind as garbage.
/// </summary>
public sealed class SampleBuffers
{
    private readonly Dictionary<object, byte[]> arrays = new(ReferenceEqualityComparer.Instance);

    /// <summary>The memory for one array of a sample, with whatever it held before.</summary>
    internal byte[] For(object owner, long byteLength)
    {
        if (!arrays.TryGetValue(owner, out byte[]? buffer) || buffer.Length != byteLength) arrays[owner] = buffer = new byte[byteLength];
        return buffer;
    }
}
