using ModelCompression.Data.Arrays;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Data.Sources;

/// <summary>A folder of <c>.npy</c> files, each one sample of a single-input model, in the ordinal order of their names. Shapes may differ where the model leaves them open.</summary>
internal sealed class ArrayFolderSource : DataSource
{
    private readonly IReadOnlyList<string> files;
    private readonly ModelPort port;

    /// <summary>Checks the header of every file.</summary>
    /// <exception cref="Onnx.Diagnostics.DiagnosticException">MCB3003 to MCB3008, MCB3012.</exception>
    public ArrayFolderSource(string folder, IReadOnlyList<string> files, ModelInterface model)
    {
        if (model.Inputs.Count != 1)
        {
            throw DataError.Of(
                folder,
                "MCB3012",
                $"A folder of .npy files feeds models with one input; this one has {model.Inputs.Count} ({string.Join(", ", model.Inputs.Select(i => $"'{i.Name}'"))}). Use an .npz with one array per input.");
        }

        port = model.Inputs[0];
        this.files = files;
        foreach (string file in files)
        {
            using var arrays = ArrayCollection.OpenNpy(file);
            _ = ShapeOf(file, arrays.Arrays[0]);
        }
    }

    /// <inheritdoc/>
    public override int Count => files.Count;

    /// <inheritdoc/>
    public override long RowCount => files.Count;

    /// <inheritdoc/>
    public override Sample Read(int index, SampleBuffers? buffers)
    {
        using var arrays = ArrayCollection.OpenNpy(files[index]);
        var array = arrays.Arrays[0];
        var all = array.ReadAll(buffers, this);
        long[] dims = ShapeOf(files[index], array);
        var tensor = all.Strings is { } strings ? Tensor.FromStrings(dims, strings) : all.Reshape(dims);
        return new Sample([new NamedValue(port.Name, new TensorValue(tensor))]);
    }

    /// <summary>The shape to feed: as it is, or with a batch axis of 1 in front.</summary>
    private long[] ShapeOf(string file, NpyArray array)
    {
        PortCheck.CheckType(file, "The array", array.Type, port);
        if (port.TensorType?.Shape is not { } shape || PortCheck.Fits(shape, array.Dims)) return array.Dims.ToArray();
        long[] batched = [1, .. array.Dims];
        return PortCheck.Fits(shape, batched) ? batched : throw PortCheck.WrongShape(file, "The array", array.Dims, port, "Each file is one sample, with or without the batch axis.");
    }
}
