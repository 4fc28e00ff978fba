using System.Globalization;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Data.Sources;

/// <summary>Folders in ONNX's test layout: <c>input_&lt;i&gt;.pb</c> and <c>output_&lt;i&gt;.pb</c>, numbered as the model's inputs and outputs are. Each folder is one sample.</summary>
internal sealed class TestFolderSource : DataSource
{
    private readonly IReadOnlyList<string> folders;
    private readonly ModelInterface model;

    /// <summary>Reads and checks every file.</summary>
    /// <exception cref="Onnx.Diagnostics.DiagnosticException">MCB3003, MCB3007, MCB3008, MCB3012.</exception>
    public TestFolderSource(IReadOnlyList<string> folders, ModelInterface model)
    {
        this.folders = folders;
        this.model = model;
        foreach (string folder in folders) CheckNumbers(folder);
        for (int i = 0; i < folders.Count; i++) _ = Read(i, null);
        ExpectedOutputs = [.. model.Outputs.Where((_, i) => folders.All(f => File.Exists(FileOf(f, "output", i)))).Select(o => o.Name)];
    }

    /// <inheritdoc/>
    public override int Count => folders.Count;

    /// <inheritdoc/>
    public override long RowCount => folders.Count;

    /// <inheritdoc/>
    public override IReadOnlyList<string> ExpectedOutputs { get; }

    /// <inheritdoc/>
    public override Sample Read(int index, SampleBuffers? buffers)
    {
        string folder = folders[index];
        return new Sample([.. model.Inputs.Select((port, i) => new NamedValue(port.Name, ReadValue(FileOf(folder, "input", i), port)))])
        {
            ExpectedOutputs = [.. model.Outputs.Select((port, i) => (Port: port, File: FileOf(folder, "output", i))).Where(o => File.Exists(o.File)).Select(o => new NamedValue(o.Port.Name, ReadValue(o.File, o.Port)))],
        };
    }

    private static string FileOf(string folder, string kind, int index) => Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"{kind}_{index}.pb"));

    private void CheckNumbers(string folder)
    {
        for (int i = 0; i < model.Inputs.Count; i++)
        {
            if (!File.Exists(FileOf(folder, "input", i)))
                throw DataError.Of(folder, "MCB3012", $"input_{i}.pb is missing; the model's input {i} is {model.Inputs[i]}. The layout has one input_<i>.pb per input, numbered from 0.");
        }

        if (File.Exists(FileOf(folder, "input", model.Inputs.Count)))
            throw DataError.Of(folder, "MCB3012", $"input_{model.Inputs.Count}.pb has no input to go to: the model has {model.Inputs.Count}. Is this the data of another model?");
        if (File.Exists(FileOf(folder, "output", model.Outputs.Count)))
            throw DataError.Of(folder, "MCB3012", $"output_{model.Outputs.Count}.pb has no output to be compared with: the model has {model.Outputs.Count}. Is this the data of another model?");
    }

    private static SequenceValue SequenceOf(IReadOnlyList<Tensor> elements) => new([.. elements.Select(t => new TensorValue(t))]);

    private static ModelValue ReadValue(string file, ModelPort port)
    {
        switch (port.Type)
        {
            case SequenceType:
                return SequenceOf(TensorFile.ReadSequence(file));
            case OptionalType optional:
                return TensorFile.ReadOptional(file) switch
                {
                    null => new OpaqueValue("absent optional"),
                    [var only] when optional.Element is TensorType => new TensorValue(only),
                    var elements => SequenceOf(elements),
                };
            case TensorType or null:
                var tensor = TensorFile.Read(file);
                // NumPy has no bfloat16: the ONNX tools store its bit patterns as uint16.
                if (tensor.DataType == DataType.UInt16 && port.TensorType?.ElementType == DataType.BFloat16) tensor = new Tensor(DataType.BFloat16, tensor.Dims, tensor.Data);
                PortCheck.CheckType(file, "The tensor", tensor.DataType, port);
                if (port.TensorType?.Shape is { } shape && !PortCheck.Fits(shape, tensor.Dims)) throw PortCheck.WrongShape(file, "The tensor", tensor.Dims, port, "The sizes must be the model's.");
                return new TensorValue(tensor);
            default:
                throw DataError.Of(file, "MCB3012", $"The test layout cannot hold a value for {port}.");
        }
    }
}
