using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Onnx.Serialization.Writing;

/// <summary>Tensors of a message that are not needed again once two threads have gone through them: the one that writes the file and the one that computes its digest.</summary>
/// <param name="data">The tensors of the message; one may be there several times.</param>
internal sealed class PendingDiscards(IEnumerable<TensorData> data)
{
    private readonly Lock gate = new();
    private readonly Dictionary<TensorData, int> uses = data.GroupBy(d => d).ToDictionary(g => g.Key, g => g.Count());
    private readonly List<TensorData> passed = [];
    private bool isWritten;

    /// <summary>The digest has gone through a tensor.</summary>
    public void Pass(TensorData tensor)
    {
        lock (gate)
        {
            if (--uses[tensor] > 0) return;
            if (isWritten) tensor.Discard();
            else passed.Add(tensor);
        }
    }

    /// <summary>The file is complete.</summary>
    public void Complete()
    {
        lock (gate)
        {
            isWritten = true;
            foreach (var tensor in passed) tensor.Discard();
        }
    }
}
