using Microsoft.ML.OnnxRuntime;
using ModelCompression.Data;
using ModelCompression.Onnx.Diagnostics;

namespace ModelCompression.Runtime;

/// <summary>
/// Runs a session on one sample after the other and lends its outputs. As long as the shapes stay the same, inputs and outputs lie in the same native memory at every run: fresh
/// memory for large outputs would be brought in and cleared page by page, which takes longer than looking at them. For one thread at a time.
/// </summary>
/// <param name="session">The session.</param>
/// <param name="names">Names of the outputs that are looked at; all of the model if there are none.</param>
internal sealed class RepeatedRun(ModelSession session, params IReadOnlyCollection<string> names) : ISampleRun
{
    private readonly IReadOnlyCollection<string> names = names.Count > 0 ? names : [.. session.Interface.Outputs.Select(o => o.Name)];
    private Dictionary<string, OrtValue> inputs = [];
    private NativeTensor?[] tensors = [];
    private RunOutputs? outputs;
    private OrtIoBinding? binding;
    private bool shapesDependOnValues;

    /// <summary>Runs the model on a sample.</summary>
    /// <returns>The outputs, valid until the next call.</returns>
    /// <exception cref="DiagnosticException">MCB2041 or MCB4041: the run failed.</exception>
    public RunOutputs Run(IReadOnlyList<NamedValue> sample)
    {
        if (outputs is not null && !shapesDependOnValues && TryCopy(sample) && TryRunAgain()) return outputs;
        Forget();
        var native = inputs;
        session.Guard(() =>
        {
            foreach (var input in sample) native.Add(input.Name, OrtValues.ToNative(input.Value));
        });
        outputs = new RunOutputs(session.Run(native, names));
        tensors = [.. sample.Select(i => NativeTensor.TryFrom(native[i.Name]))];
        return outputs;
    }

    /// <inheritdoc/>
    RunOutputs ISampleRun.Run(int index, IReadOnlyList<NamedValue> sample) => Run(sample);

    /// <summary>Runs the model on a sample and copies its outputs, which are valid until the next call.</summary>
    /// <exception cref="DiagnosticException">MCB2041 or MCB4041: the run failed.</exception>
    public IReadOnlyList<NamedValue> RunAndCopy(Sample sample) => Run(sample.Inputs).Copy(names);

    /// <inheritdoc/>
    public void Dispose() => Forget();

    /// <summary>Copies inputs to where those of the last run lie; false if their shapes are others.</summary>
    private bool TryCopy(IReadOnlyList<NamedValue> sample)
    {
        if (sample.Count != tensors.Length) return false;
        for (int i = 0; i < sample.Count; i++)
            if (sample[i].Value is not TensorValue { Tensor: var tensor } || tensors[i]?.Fits(tensor) != true || !inputs.TryGetValue(sample[i].Name, out var value) || value != tensors[i]!.Value) return false;
        for (int i = 0; i < sample.Count; i++) ((TensorValue)sample[i].Value).Tensor.AsSpan<byte>().CopyTo(tensors[i]!.Bytes);
        return true;
    }

    /// <summary>Runs into the outputs of the last run; false if that is not possible, as for outputs whose size depends on the values of the inputs.</summary>
    private bool TryRunAgain()
    {
        try
        {
            binding ??= Bind();
            if (binding is null) return false;
            session.Run(binding);
            outputs!.Refresh();
            return true;
        }
        catch (DiagnosticException)
        {
            shapesDependOnValues = true;
            return false;
        }
    }

    private OrtIoBinding? Bind()
    {
        if (outputs!.Tensors.Contains(null)) return null;
        var bound = session.Bind(inputs);
        foreach (var (name, tensor) in names.Zip(outputs.Tensors)) bound.BindOutput(name, tensor!.Value);
        return bound;
    }

    private void Forget()
    {
        binding?.Dispose();
        outputs?.Dispose();
        foreach (var value in inputs.Values) value.Dispose();
        (binding, outputs, inputs, tensors) = (null, null, [], []);
    }
}
