using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Runtime.Synthetic;

/// <summary>Fills one input. What an input means is read off its type, its shape and the words in its name.</summary>
internal static class SyntheticTensor
{
    private const long SampleRate = 16000;

    /// <summary>Makes the tensor of <paramref name="plan"/>.</summary>
    public static Tensor Make(InputPlan plan, long[] shape, SyntheticAttempt attempt, SeededRandom random)
    {
        long count = Tensor.CountElements(shape);
        // Digits are words to a text model and numbers to one that parses them.
        if (plan.Type == DataType.String) return Tensor.FromStrings(shape, [.. Enumerable.Range(0, checked((int)count)).Select(i => (ReadOnlyMemory<byte>)Encoding.UTF8.GetBytes(i.ToString(CultureInfo.InvariantCulture)))]);
        if (plan.Type is DataType.Float or DataType.Float16 or DataType.BFloat16 or DataType.Double)
            return FromFloats(plan.Type, shape, SyntheticSignal.Make(plan, shape, attempt.IsNormalized, random));

        var integers = new long[count];
        FillIntegers(integers, attempt.Batch > 1 && shape.Length > 1 ? shape[^1] : count, plan, attempt, random);
        return FromIntegers(plan.Type, shape, integers);
    }

    private static void FillIntegers(long[] values, long sequence, InputPlan plan, SyntheticAttempt attempt, SeededRandom random)
    {
        var words = NameWords.Of(plan.Name);
        if (plan.Type == DataType.Bool)
        {
            // A lone flag (use_cache_branch) switches a special path on; a tensor of flags is a mask.
            Array.Fill(values, values.Length > 1 ? 1 : attempt.Fill == IntegerFill.Ones ? 1 : 0);
        }
        else if (attempt.Fill != IntegerFill.Plausible)
        {
            Array.Fill(values, attempt.Fill == IntegerFill.Ones ? 1 : 0);
        }
        else if (words.Any("mask"))
        {
            Array.Fill(values, 1);
        }
        else if (words.Any("segment", "token_type", "type_ids"))
        {
            Array.Fill(values, 0);
        }
        else if (words.Any("position"))
        {
            for (int i = 0; i < values.Length; i++) values[i] = i % sequence % (plan.IndexBound ?? long.MaxValue);
        }
        else if (plan.IndexBound is { } bound)
        {
            for (int i = 0; i < values.Length; i++) values[i] = random.NextBelow(bound);
        }
        else
        {
            FillPlain(values, plan.Type, words, attempt, random);
        }
    }

    private static void FillPlain(long[] values, DataType type, NameWords words, SyntheticAttempt attempt, SeededRandom random)
    {
        if (words.Any("rate") || words.Is("sr")) Array.Fill(values, SampleRate);
        else if (words.Any("length", "lengths", "lens", "len", "size", "num_frames")) Array.Fill(values, attempt.Length);
        else if (values.Length <= 1) Array.Fill(values, 1);
        else
        {
            // Bytes are mostly pixels or quantized activations and take their whole range; wider integers without a table stay small.
            (long low, long range) = type switch { DataType.UInt8 => (0L, 256L), DataType.Int8 => (-128L, 256L), _ => (0L, 10L) };
            for (int i = 0; i < values.Length; i++) values[i] = low + random.NextBelow(range);
        }
    }

    private static Tensor FromFloats(DataType type, long[] shape, float[] values) => type switch
    {
        DataType.Float => Tensor.Float(shape, values),
        DataType.Double => Tensor.Create(type, shape, Array.ConvertAll(values, v => (double)v)),
        DataType.Float16 => Tensor.Create(type, shape, Array.ConvertAll(values, v => BitConverter.HalfToUInt16Bits((Half)v))),
        _ => Tensor.Create(type, shape, Array.ConvertAll(values, v => (ushort)(BitConverter.SingleToUInt32Bits(v) >> 16))),
    };

    private static Tensor FromIntegers(DataType type, long[] shape, long[] values)
    {
        if (type == DataType.Int64) return Tensor.Int64(shape, values);
        int size = type.BitWidth() / 8;
        var bytes = new byte[values.Length * size];
        for (int i = 0; i < values.Length; i++)
            MemoryMarshal.AsBytes(values.AsSpan(i, 1))[..size].CopyTo(bytes.AsSpan(i * size)); // little-endian: the low bytes are the value
        return Tensor.Create(type, shape, bytes);
    }
}
