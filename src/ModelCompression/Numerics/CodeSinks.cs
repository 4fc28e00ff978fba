using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace ModelCompression.Numerics;

/// <summary>Writes codes with a fixed number of bytes each; implemented by structs so that the loops are specialised.</summary>
internal interface ICodeSink
{
    /// <summary>Bytes of one code.</summary>
    static abstract int CodeByteLength { get; }

    /// <summary>Writes 32 codes.</summary>
    static abstract void Write(Vector256<int> a, Vector256<int> b, Vector256<int> c, Vector256<int> d, Span<byte> output);

    /// <summary>Writes one code.</summary>
    static abstract void Write(int code, Span<byte> output);
}

/// <summary>int8 or uint8.</summary>
internal readonly struct ByteSink : ICodeSink
{
    public static int CodeByteLength => 1;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Write(Vector256<int> a, Vector256<int> b, Vector256<int> c, Vector256<int> d, Span<byte> output) =>
        Vector256.Narrow(Vector256.Narrow(a, b), Vector256.Narrow(c, d)).AsByte().CopyTo(output);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Write(int code, Span<byte> output) => output[0] = (byte)code;
}

/// <summary>int16, little-endian.</summary>
internal readonly struct Int16Sink : ICodeSink
{
    public static int CodeByteLength => 2;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Write(Vector256<int> a, Vector256<int> b, Vector256<int> c, Vector256<int> d, Span<byte> output)
    {
        Vector256.Narrow(a, b).AsByte().CopyTo(output);
        Vector256.Narrow(c, d).AsByte().CopyTo(output[Vector256<byte>.Count..]);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Write(int code, Span<byte> output)
    {
        short value = (short)code;
        MemoryMarshal.Write(output, in value);
    }
}
