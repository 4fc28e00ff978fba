using ModelCompression.Onnx.Serialization.Writing;

namespace ModelCompression.Onnx.Serialization;

/// <summary>A model whose files stand while their digest is still being computed from its weights. Disposing stops that and waits until the weights are not in use any more.</summary>
public sealed class PendingModel : IDisposable
{
    private readonly PendingDigest digest;

    internal PendingModel(PendingDigest digest) => this.digest = digest;

    /// <summary>Full path of the model.</summary>
    public required string Path { get; init; }

    /// <summary>Full paths of the files with its weights; empty when they are in the model itself.</summary>
    public required IReadOnlyList<string> ExternalDataFiles { get; init; }

    /// <summary>Bytes of all files together.</summary>
    public required long ByteLength { get; init; }

    /// <summary>SHA-256 of the model file in lower-case hexadecimal; waits for it.</summary>
    /// <exception cref="OperationCanceledException">Cancelled, or disposed before it was there.</exception>
    public string Sha256 => digest.Result;

    /// <inheritdoc/>
    public void Dispose() => digest.Dispose();
}
