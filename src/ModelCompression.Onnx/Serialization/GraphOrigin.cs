using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization.Proto;

namespace ModelCompression.Onnx.Serialization;

/// <summary>What a graph's file says beyond the graph itself.</summary>
/// <param name="Proto">The message without nodes, inputs, outputs and constants; <c>value_info</c> has only entries that belong to no inner value.</param>
/// <param name="OutputInfo">Output entries of values that have another declaration already, e.g. an input that is returned as it is.</param>
internal sealed record GraphOrigin(GraphProto Proto, IReadOnlyDictionary<Value, ValueInfoProto> OutputInfo) : ICopiedOpaque
{
    /// <inheritdoc/>
    public object CopyFor(IReadOnlyDictionary<Value, Value> copies) => this with { OutputInfo = OutputInfo.ToDictionary(i => copies[i.Key], i => i.Value) };
}
