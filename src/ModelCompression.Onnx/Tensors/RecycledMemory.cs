namespace ModelCompression.Onnx.Tensors;

/// <summary>Memory for large tensors that are made, written and not needed again, which then serves a second time.</summary>
/// <remarks>
/// Fresh memory comes from the system page by page, one fault each, which takes as long as filling it with codes does. The codes of a large model are given up once its file is
/// there (<see cref="TensorData.Discard"/>), and what ONNX Runtime makes of them when it opens that file fits where they were. Regions are pinned arrays: what nobody gives up is collected as any other.
/// All members may be called from several threads at once.
/// </remarks>
public sealed class RecycledMemory
{
    /// <summary>Smaller tensors have arrays of their own: regions are searched one by one.</summary>
    internal const int MinByteLength = 256 << 10;

    private const int FirstRegionByteLength = 2 << 20, LastRegionByteLength = 16 << 20;

    private readonly Lock gate = new();
    private readonly List<MemoryRegion> discarded = [];
    private MemoryRegion? filling;

    /// <summary>The memory of all runs of this process.</summary>
    public static RecycledMemory Shared { get; } = new();

    /// <summary>Makes room for the bytes of a tensor; what is in them at first is arbitrary.</summary>
    /// <param name="length">Bytes.</param>
    public RecycledTensorData Allocate(int length)
    {
        if (length < MinByteLength) return new(this, null, GC.AllocateUninitializedArray<byte>(length));
        lock (gate)
        {
            if (filling?.TryTake(length) is { } start) return new(this, filling, filling.Slice(start, length));
            int usual = filling is null ? FirstRegionByteLength : Math.Min(2 * filling.Length, LastRegionByteLength);
            var region = new MemoryRegion(Math.Max(length, usual));
            if (length < usual) filling = region;
            return new(this, region, region.Slice(region.TryTake(length)!.Value, length));
        }
    }

    /// <summary>Finds room where discarded tensors were.</summary>
    /// <param name="length">Bytes.</param>
    /// <returns>Address, a multiple of 64, to be given back to <see cref="TryGiveBack"/>; 0 when there is no such room.</returns>
    public nint TryTake(long length)
    {
        if (length > int.MaxValue) return 0;
        lock (gate)
        {
            foreach (var region in discarded)
                if (region.TryTake((int)length) is { } start) return region.Start + start;
            return 0;
        }
    }

    /// <summary>Ends the use of what <see cref="TryTake"/> has found.</summary>
    /// <returns>False when the address is not from there.</returns>
    public bool TryGiveBack(nint address)
    {
        lock (gate)
        {
            if (discarded.Find(r => r.Contains(address)) is not { } region) return false;
            region.GiveBack();
            return true;
        }
    }

    /// <summary>Leaves to the garbage collector whatever is not in use.</summary>
    public void Trim()
    {
        lock (gate)
        {
            filling = null;
            discarded.RemoveAll(r => !r.IsInUse);
        }
    }

    /// <summary>One tensor of a region is not needed any more.</summary>
    internal void Discard(MemoryRegion region)
    {
        lock (gate)
        {
            region.GiveBack();
            if (region.IsInUse) return;
            if (region == filling) filling = null;
            discarded.Add(region);
        }
    }
}
