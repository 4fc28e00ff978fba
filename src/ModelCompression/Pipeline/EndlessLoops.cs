using System.Diagnostics.CodeAnalysis;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Pipeline;

/// <summary>Finds loops that end for nobody, whatever the inputs are: nothing that runs the model would come back.</summary>
internal static class EndlessLoops
{
    /// <summary>Above half an hour in ONNX Runtime, which takes 2 µs and more for a turn. As a count it only ever means "until the condition says so".</summary>
    private const long MaxTrips = 1 << 30;

    /// <summary>True for a Loop with a constant number of turns nobody waits for, or with none at all, whose condition can never become false.</summary>
    public static bool Contains(Node node)
    {
        if (!node.Is("Loop") || node.Subgraphs.FirstOrDefault() is not { Outputs: [var next, ..], Inputs: [_, var condition, ..] }) return false;
        if (node.Input(0) is { } trips && !(TryRead<long>(trips, DataType.Int64, out long count) && count > MaxTrips)) return false;
        var last = next;
        while (last.Producer is { } producer && producer.Is("Identity") && producer.Input(0) is { } source) last = source;
        return (IsTrue(last) || last == condition) && (node.Input(1) is not { } start || IsTrue(start));
    }

    private static bool IsTrue(Value value) => TryRead<byte>(value, DataType.Bool, out byte flag) && flag != 0;

    private static bool TryRead<T>(Value value, DataType type, [MaybeNullWhen(false)] out T element)
        where T : unmanaged
    {
        bool isScalar = value.TryGetConstant(out var tensor) && tensor.DataType == type && tensor.ElementCount == 1;
        element = isScalar ? tensor!.AsSpan<T>()[0] : default;
        return isScalar;
    }
}
