using System.Buffers;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using Tensor = ModelCompression.Onnx.Tensors.Tensor;

namespace ModelCompression.Runtime;

/// <summary>
/// The weights of a model that is open in memory, lent to a session that is to run it a few times. ONNX Runtime would copy weights inside the file twice and map external
/// ones once more. Instead it gets the model without them, where they are ordinary inputs, and each run is fed with them where they lie.
/// </summary>
internal sealed class LentWeights : IDisposable
{
    /// <summary>Below, copying costs less than one more input; it also leaves shapes, axes and other parameters the constants that many operators want them to be.</summary>
    private const long MinByteLength = 64 << 10;

    private const long MinTotalByteLength = 1 << 20;

    private readonly Dictionary<string, Tensor> tensors = new(StringComparer.Ordinal);
    private readonly Dictionary<string, OrtValue> values = new(StringComparer.Ordinal);
    private readonly List<MemoryHandle> pins = [];

    private LentWeights()
    {
    }

    /// <summary>What to feed in each run besides the model's own inputs.</summary>
    public IReadOnlyDictionary<string, OrtValue> Values => values;

    /// <summary>Notes the weights of the main graph. Tensors are immutable, so the graph may be edited afterwards, but the model must stay open while a session uses them.</summary>
    /// <returns>Null when lending would save nothing worth mentioning.</returns>
    public static LentWeights? Of(Model model)
    {
        var lent = new LentWeights();
        foreach (var value in model.Graph.Initializers)
            if (value is { Initializer: { } tensor, IsGraphOutput: false, IsReferencedByName: false } && CanLend(tensor)) lent.tensors[value.Name] = tensor;
        return lent.tensors.Values.Sum(t => t.ByteLength) >= MinTotalByteLength ? lent : null;
    }

    /// <summary>The model with the lent weights turned into inputs; from then on <see cref="Values"/> is filled.</summary>
    /// <param name="path">The model file; its structure is read once more, for the graph that the weights come from may be changing.</param>
    public byte[] ReadModelWithout(string path)
    {
        using var copy = OnnxReader.Read(path);
        return Detach(copy);
    }

    /// <summary>A model without the lent weights, which become inputs; from then on <see cref="Values"/> is filled.</summary>
    /// <param name="copy">A copy of the model, which is edited.</param>
    public byte[] Detach(Model copy)
    {
        // The values that are made here are native.
        OrtEnvironment.EnsureStarted();
        foreach (var weight in copy.Graph.Initializers.Where(i => tensors.ContainsKey(i.Name)).ToArray())
        {
            var input = copy.Graph.AddInput(copy.Graph.NewName("lent"), new TensorType(weight.Initializer!.DataType, Shape.Of(weight.Initializer.Dims)));
            values.Add(input.Name, ToValue(tensors[weight.Name]));
            weight.ReplaceAllUsesWith(input);
            copy.Graph.RemoveInitializer(weight);
        }

        return OnnxWriter.ToBytes(copy);
    }

    /// <summary>Takes the weights back; the session must be closed.</summary>
    public void Dispose()
    {
        foreach (var value in values.Values) value.Dispose();
        foreach (var pin in pins) pin.Dispose();
        values.Clear();
        pins.Clear();
    }

    private static bool CanLend(Tensor tensor) =>
        tensor.ByteLength is >= MinByteLength and <= int.MaxValue && tensor.DataType <= DataType.BFloat16 && tensor.Strings is null && tensor.Data.Blocks().Take(2).Count() == 1;

    private unsafe OrtValue ToValue(Tensor tensor)
    {
        var bytes = tensor.Data.Blocks().Single();
        pins.Add(bytes.Pin());
        return OrtValue.CreateTensorValueWithData(OrtMemoryInfo.DefaultInstance, (TensorElementType)tensor.DataType, tensor.Dims.ToArray(), (nint)pins[^1].Pointer, bytes.Length);
    }
}
