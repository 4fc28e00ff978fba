using System.Globalization;
using ModelCompression.Onnx.Serialization.Proto;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Onnx.Serialization.Writing;

/// <summary>Where each initializer lies in an external data file.</summary>
/// <remarks>
/// Offsets are multiples of the page size, those of large tensors of the allocation granularity of Windows, so that runtimes can map them:
/// https://onnx.ai/onnx/repo-docs/ExternalData.html.
/// </remarks>
internal sealed class ExternalDataLayout
{
    private const long MinTensorByteLength = 1024;
    private const long LargeTensorByteLength = 1 << 20;
    private const long PageAlignment = 4096;
    private const long LargeAlignment = 65536;

    private readonly List<(long Offset, TensorData Data)> parts = [];

    private ExternalDataLayout()
    {
    }

    /// <summary>Bytes of the file.</summary>
    public long ByteLength { get; private set; }

    /// <summary>Gives every tensor of at least 1 KiB its place and notes that in its message.</summary>
    public static ExternalDataLayout Plan(IEnumerable<(TensorProto Proto, TensorData Data)> tensors, string location)
    {
        var layout = new ExternalDataLayout();
        foreach (var (proto, data) in tensors)
        {
            if (data.ByteLength < MinTensorByteLength) continue;
            long offset = Align(layout.ByteLength, data.ByteLength >= LargeTensorByteLength ? LargeAlignment : PageAlignment);
            layout.parts.Add((offset, data));
            layout.ByteLength = offset + data.ByteLength;
            Refer(proto, location, offset, data.ByteLength);
        }

        return layout;
    }

    /// <summary>Lets every large tensor whose data lies in a file refer to its place there; the others keep their data.</summary>
    /// <param name="tensors">Tensors and their messages.</param>
    /// <param name="folder">Folder that locations are relative to.</param>
    public static void ReferToFiles(IEnumerable<(TensorProto Proto, TensorData Data)> tensors, string folder)
    {
        foreach (var (proto, data) in tensors)
            if (data.ByteLength >= LargeAlignment && data.Place is { } place) Refer(proto, Path.GetRelativePath(folder, place.Path).Replace('\\', '/'), place.Offset, data.ByteLength);
    }

    /// <summary>Writes the file from its start.</summary>
    public void WriteTo(Stream stream, CancellationToken cancellation)
    {
        long at = 0;
        byte[] zeros = new byte[LargeAlignment];
        foreach (var (offset, data) in parts)
        {
            stream.Write(zeros, 0, (int)(offset - at));
            data.WriteTo(stream, cancellation);
            at = offset + data.ByteLength;
        }
    }

    private static long Align(long offset, long alignment) => (offset + alignment - 1) / alignment * alignment;

    private static void Refer(TensorProto proto, string location, long offset, long byteLength)
    {
        proto.ClearRawData();
        proto.DataLocation = TensorProto.Types.DataLocation.External;
        Add(proto, "location", location);
        Add(proto, "offset", offset.ToString(CultureInfo.InvariantCulture));
        Add(proto, "length", byteLength.ToString(CultureInfo.InvariantCulture));
    }

    private static void Add(TensorProto proto, string key, string value) => proto.ExternalData.Add(new StringStringEntryProto { Key = key, Value = value });
}
