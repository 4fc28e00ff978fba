namespace ModelCompression.Onnx.Serialization;

/// <summary>The messages on the way from a model to its tensors; everything else is opaque at wire level.</summary>
internal enum MessageKind : byte
{
    Other,
    Model,
    Graph,
    Node,
    Attribute,
    Function,
    SparseTensor,
    Tensor,
}

/// <summary>Encodings of a protobuf field.</summary>
internal enum WireType : byte
{
    Varint = 0,
    Fixed64 = 1,
    LengthDelimited = 2,
    StartGroup = 3,
    EndGroup = 4,
    Fixed32 = 5,
}

/// <summary>Field numbers that lead to tensors. <c>training_info</c> is left out: it is kept as it is.</summary>
internal static class WireSchema
{
    public const int FloatData = 4;
    public const int Int32Data = 5;
    public const int Int64Data = 7;
    public const int RawData = 9;
    public const int DoubleData = 10;
    public const int UInt64Data = 11;

    /// <summary>Message nesting that protobuf implementations accept by default; ONNX Runtime refuses deeper models.</summary>
    public const int MaxDepth = 100;

    public static MessageKind Child(MessageKind parent, int field) => (parent, field) switch
    {
        (MessageKind.Model, 7) => MessageKind.Graph,
        (MessageKind.Model, 25) => MessageKind.Function,
        (MessageKind.Graph, 1) => MessageKind.Node,
        (MessageKind.Graph, 5) => MessageKind.Tensor,
        (MessageKind.Graph, 15) => MessageKind.SparseTensor,
        (MessageKind.Node, 5) => MessageKind.Attribute,
        (MessageKind.Attribute, 5 or 10) => MessageKind.Tensor,
        (MessageKind.Attribute, 6 or 11) => MessageKind.Graph,
        (MessageKind.Attribute, 22 or 23) => MessageKind.SparseTensor,
        (MessageKind.SparseTensor, 1 or 2) => MessageKind.Tensor,
        (MessageKind.Function, 7) => MessageKind.Node,
        (MessageKind.Function, 11) => MessageKind.Attribute,
        _ => MessageKind.Other,
    };

    /// <summary>True for the fields of <c>TensorProto</c> that hold numeric elements.</summary>
    public static bool IsTensorData(int field) => field is FloatData or Int32Data or Int64Data or RawData or DoubleData or UInt64Data;

    /// <summary>True for the fields that hold names of values, nodes, operators and attributes.</summary>
    public static bool IsName(MessageKind kind, int field) => (kind, field) switch
    {
        (MessageKind.Graph, 2) => true,
        (MessageKind.Node, 1 or 2 or 3 or 4 or 7 or 8) => true,
        (MessageKind.Attribute, 1 or 21) => true,
        (MessageKind.Function, 1 or 4 or 5 or 6 or 10 or 13) => true,
        (MessageKind.Tensor, 8) => true,
        _ => false,
    };
}
