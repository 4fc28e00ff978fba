using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace ModelCompression.Numerics;

/// <summary>Counts the codes that stand for zero, at the speed of memory.</summary>
internal static class CodeZeros
{
    /// <summary>Counts codes equal to the zero point of their scale.</summary>
    /// <param name="codes">One byte per element.</param>
    /// <param name="layout">Which scale an element has.</param>
    /// <param name="zeroPoints">One per scale; their lowest eight bits are compared.</param>
    public static long Count(ReadOnlySpan<byte> codes, ChannelLayout layout, ReadOnlySpan<int> zeroPoints)
    {
        if (zeroPoints.IndexOfAnyExcept(zeroPoints[0]) < 0) return codes.Count((byte)zeroPoints[0]);
        long zeros = 0;
        for (int group = 0; group < layout.Groups; group++)
        {
            var part = codes.Slice(group * layout.GroupLength, layout.GroupLength);
            var own = zeroPoints.Slice(group * layout.Channels, layout.Channels);
            zeros += layout.Inner == 1 ? CountRows(part, own) : CountRuns(part, layout, own);
        }

        return zeros;
    }

    private static long CountRuns(ReadOnlySpan<byte> codes, ChannelLayout layout, ReadOnlySpan<int> zeroPoints)
    {
        long zeros = 0;
        for (int at = 0, run = 0; at < codes.Length; at += layout.Inner, run++) zeros += codes.Slice(at, layout.Inner).Count((byte)zeroPoints[run % layout.Channels]);
        return zeros;
    }

    /// <summary>Neighbours have different scales: rows of codes are compared with a row of zero points.</summary>
    private static long CountRows(ReadOnlySpan<byte> codes, ReadOnlySpan<int> zeroPoints)
    {
        byte[] row = new byte[zeroPoints.Length];
        for (int i = 0; i < row.Length; i++) row[i] = (byte)zeroPoints[i];
        var wanted = MemoryMarshal.Cast<byte, Vector256<byte>>(row);
        long zeros = 0;
        for (; !codes.IsEmpty; codes = codes[row.Length..])
        {
            var vectors = MemoryMarshal.Cast<byte, Vector256<byte>>(codes[..row.Length]);
            for (int v = 0; v < vectors.Length; v++) zeros += Vector256.Sum(Vector256.Equals(vectors[v], wanted[v]) & Vector256<byte>.One);
            for (int i = vectors.Length * Vector256<byte>.Count; i < row.Length; i++)
                if (codes[i] == row[i]) zeros++;
        }

        return zeros;
    }
}
