using System.Buffers;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Runtime;

/// <summary>
/// The external weights of a model that is open in memory, lent to a session. Without, ONNX Runtime maps the same file once more, and both mappings count
/// as memory of the process.
/// </summary>
internal sealed class SharedWeights : IDisposable
{
    private const long MinByteLength = 64 << 10;

    private readonly List<(string Name, DataType Type, long[] Dims, ReadOnlyMemory<byte> Bytes)> weights = [];
    private readonly List<OrtValue> values = [];
    private readonly List<MemoryHandle> pins = [];

    /// <summary>Notes the weights of the main graph; the tensors are immutable, so the graph may be edited afterwards. The model must stay open while a session uses them.</summary>
    /// <returns>Null for a model that keeps its weights inside, which ONNX Runtime copies in any case.</returns>
    public static SharedWeights? Of(Model model)
    {
        if (model.ExternalDataFiles.Count == 0) return null;
        var shared = new SharedWeights();
        foreach (var value in model.Graph.Initializers)
        {
            if (value.Initializer is not { } tensor || tensor.ByteLength < MinByteLength || tensor.DataType > DataType.BFloat16 || tensor.Strings is not null) continue;
            if (tensor.Data.Blocks().ToArray() is [var bytes]) shared.weights.Add((value.Name, tensor.DataType, tensor.Dims.ToArray(), bytes));
        }

        return shared;
    }

    /// <summary>Hands the weights to a session that is about to be opened.</summary>
    public unsafe void AddTo(SessionOptions options)
    {
        foreach (var (name, type, dims, bytes) in weights)
        {
            pins.Add(bytes.Pin());
            values.Add(OrtValue.CreateTensorValueWithData(OrtMemoryInfo.DefaultInstance, (TensorElementType)type, dims, (nint)pins[^1].Pointer, bytes.Length));
            options.AddInitializer(name, values[^1]);
        }
    }

    /// <summary>Takes the weights back; the session must be closed.</summary>
    public void Dispose()
    {
        foreach (var value in values) value.Dispose();
        foreach (var pin in pins) pin.Dispose();
        values.Clear();
        pins.Clear();
    }
}
