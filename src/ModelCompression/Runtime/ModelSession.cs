using Microsoft.ML.OnnxRuntime;
using ModelCompression.Data;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ValueType = ModelCompression.Onnx.Tensors.ValueType;

namespace ModelCompression.Runtime;

/// <summary>
/// A model opened in ONNX Runtime on the CPU. <see cref="Run(IReadOnlyList{NamedValue})"/> may be called from several threads at once.
/// Failures of ONNX Runtime come back as one-line diagnostics; nothing is written to standard error.
/// </summary>
public sealed class ModelSession : IDisposable
{
    /// <summary>Smaller files are copied in no time.</summary>
    private const long MinMappedByteLength = 16L << 20;

    private readonly InferenceSession session;
    private readonly RunOptions runOptions = new();
    private readonly ModelRole role;
    private readonly LentWeights? weights;

    private ModelSession(InferenceSession session, ModelRole role, string name, LentWeights? weights = null)
    {
        this.session = session;
        this.role = role;
        this.weights = weights;
        Name = name;
        Interface = new(
            [.. session.InputNames.Where(n => weights?.Values.ContainsKey(n) != true).Select(n => new ModelPort(n, TypeOf(session.InputMetadata[n])))],
            [.. session.OutputNames.Select(n => new ModelPort(n, TypeOf(session.OutputMetadata[n])))]);
    }

    /// <summary>File name for messages.</summary>
    public string Name { get; }

    /// <summary>Inputs and outputs as ONNX Runtime sees them, in the model's order.</summary>
    public ModelInterface Interface { get; }

    /// <summary>Opens a model file; external data is found beside it.</summary>
    /// <exception cref="DiagnosticException">MCB2040 or MCB4040: ONNX Runtime refuses the model.</exception>
    public static ModelSession Open(string path, SessionSettings settings, ModelRole role) =>
        Open(role, Path.GetFileName(path), settings, options => new InferenceSession(path, options));

    /// <summary>
    /// Opens a model file like <see cref="Open(string, SessionSettings, ModelRole)"/>, but lets ONNX Runtime map large weights from the file instead of copying them twice:
    /// same session, less than half the time and memory of opening.
    /// </summary>
    /// <exception cref="DiagnosticException">MCB2040 or MCB4040: ONNX Runtime refuses the model. MCB20xx: the file cannot be read.</exception>
    public static ModelSession OpenMapped(string path, SessionSettings settings, ModelRole role)
    {
        if (new FileInfo(path).Length < MinMappedByteLength) return Open(path, settings, role);
        byte[] structure;
        using (var model = OnnxReader.Read(path)) structure = OnnxWriter.ToBytesWithoutData(model);
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        return Open(role, Path.GetFileName(path), settings with { WeightsFolder = folder }, options => OrtRecycling.Use(() => new InferenceSession(structure, options)));
    }

    /// <summary>Opens a model file with weights that are in memory already. The session takes over <paramref name="weights"/>, also when it fails.</summary>
    /// <exception cref="DiagnosticException">MCB2040 or MCB4040: ONNX Runtime refuses the model.</exception>
    internal static ModelSession Open(string path, SessionSettings settings, ModelRole role, LentWeights weights)
    {
        try
        {
            byte[] model = weights.ReadModelWithout(path);
            return Open(role, Path.GetFileName(path), settings, options => new InferenceSession(model, options), weights);
        }
        catch
        {
            weights.Dispose();
            throw;
        }
    }

    /// <summary>Opens a copy of a model that is in memory, with its weights lent. The session takes over <paramref name="weights"/>, also when it fails.</summary>
    /// <exception cref="DiagnosticException">MCB2040 or MCB4040: ONNX Runtime refuses the model.</exception>
    internal static ModelSession Open(Model copy, SessionSettings settings, ModelRole role, LentWeights weights)
    {
        try
        {
            byte[] model = weights.Detach(copy);
            return Open(role, "model", settings, options => new InferenceSession(model, options), weights);
        }
        catch
        {
            weights.Dispose();
            throw;
        }
    }

    /// <summary>Opens a model from memory, which must be complete: external data has no folder to be found in.</summary>
    /// <exception cref="DiagnosticException">MCB2040 or MCB4040: ONNX Runtime refuses the model.</exception>
    public static ModelSession Open(byte[] model, string name, SessionSettings settings, ModelRole role) =>
        Open(role, name, settings, options => new InferenceSession(model, options));

    /// <summary>Runs the model and copies all its outputs, in the model's order.</summary>
    /// <param name="inputs">One value per model input.</param>
    /// <exception cref="DiagnosticException">MCB2041 or MCB4041: the run failed.</exception>
    public IReadOnlyList<NamedValue> Run(IReadOnlyList<NamedValue> inputs)
    {
        var native = new Dictionary<string, OrtValue>(inputs.Count, StringComparer.Ordinal);
        try
        {
            return Guard(() =>
            {
                foreach (var input in inputs) native.Add(input.Name, OrtValues.ToNative(input.Value));
                using var outputs = session.Run(runOptions, WithWeights(native), session.OutputNames);
                return session.OutputNames.Select((name, i) => new NamedValue(name, OrtValues.FromNative(outputs[i]))).ToArray();
            });
        }
        finally
        {
            foreach (var value in native.Values) value.Dispose();
        }
    }

    /// <summary>Copies inputs once for many runs whose outputs do not matter, as for timing.</summary>
    public PreparedFeed Prepare(IReadOnlyList<NamedValue> inputs) => new(
        Guard(() => inputs.ToDictionary(i => i.Name, i => OrtValues.ToNative(i.Value), StringComparer.Ordinal)),
        native => Guard(() =>
        {
            using var outputs = session.Run(runOptions, WithWeights(native), session.OutputNames);
            return outputs.Count;
        }));

    /// <summary>Runs the model and lends some of its outputs where they lie.</summary>
    /// <param name="inputs">One value per model input.</param>
    /// <param name="names">Names of outputs.</param>
    /// <exception cref="DiagnosticException">MCB2041 or MCB4041: the run failed.</exception>
    internal RunOutputs Observe(IReadOnlyList<NamedValue> inputs, IReadOnlyCollection<string> names)
    {
        var native = new Dictionary<string, OrtValue>(inputs.Count, StringComparer.Ordinal);
        try
        {
            return Guard(() =>
            {
                foreach (var input in inputs) native.Add(input.Name, OrtValues.ToNative(input.Value));
                return new RunOutputs(session.Run(runOptions, WithWeights(native), names.Count > 0 ? names : session.OutputNames));
            });
        }
        finally
        {
            foreach (var value in native.Values) value.Dispose();
        }
    }

    /// <summary>Runs the model on native values and leaves its outputs where ONNX Runtime has put them.</summary>
    internal IDisposableReadOnlyCollection<OrtValue> Run(IReadOnlyDictionary<string, OrtValue> inputs, IReadOnlyCollection<string> names) =>
        Guard(() => session.Run(runOptions, WithWeights(inputs), names));

    /// <summary>Starts a binding of native values to a run's inputs; outputs are bound by the caller, who disposes it before this session.</summary>
    internal OrtIoBinding Bind(IReadOnlyDictionary<string, OrtValue> inputs)
    {
        var binding = session.CreateIoBinding();
        foreach (var (name, value) in WithWeights(inputs)) binding.BindInput(name, value);
        return binding;
    }

    /// <summary>Runs the model from and into bound values.</summary>
    internal void Run(OrtIoBinding binding) => Guard(() => session.RunWithBinding(runOptions, binding));

    /// <summary>Does something with ONNX Runtime and makes diagnostics of its failures.</summary>
    /// <exception cref="DiagnosticException">MCB2041 or MCB4041.</exception>
    internal void Guard(Action use) => Guard(() =>
    {
        use();
        return 0;
    });

    /// <inheritdoc/>
    public void Dispose()
    {
        runOptions.Dispose();
        session.Dispose();
        weights?.Dispose();
    }

    private IReadOnlyDictionary<string, OrtValue> WithWeights(IReadOnlyDictionary<string, OrtValue> inputs) =>
        weights is null ? inputs : new Dictionary<string, OrtValue>(inputs.Concat(weights.Values), StringComparer.Ordinal);

    private T Guard<T>(Func<T> use)
    {
        try
        {
            return use();
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            throw RuntimeError.CannotRun(role, Name, e);
        }
    }

    private static ModelSession Open(ModelRole role, string name, SessionSettings settings, Func<SessionOptions, InferenceSession> open, LentWeights? weights = null)
    {
        OrtEnvironment.EnsureStarted();
        using var options = Translate(settings);
        try
        {
            return new ModelSession(open(options), role, name, weights);
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            // The binding throws more than OnnxRuntimeException here, e.g. KeyNotFoundException for an error code it does not know.
            throw RuntimeError.CannotOpen(role, name, e);
        }
    }

    private static SessionOptions Translate(SessionSettings settings)
    {
        var options = new SessionOptions
        {
            LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL,
            GraphOptimizationLevel = settings.Optimize ? GraphOptimizationLevel.ORT_ENABLE_ALL : GraphOptimizationLevel.ORT_DISABLE_ALL,
            ExecutionMode = ExecutionMode.ORT_SEQUENTIAL,
            IntraOpNumThreads = settings.Threads,
            InterOpNumThreads = 1,
            EnableCpuMemArena = settings.ReuseMemory,
            EnableMemoryPattern = settings.ReuseMemory && settings.PlanMemory,
        };
        options.AddSessionConfigEntry("session.intra_op.allow_spinning", "0");
        if (settings.WeightsFolder is not null && OrtRecycling.IsAvailable) options.AddSessionConfigEntry("session.use_env_allocators", "1");
        if (settings.WeightsFolder is { } folder) options.AddSessionConfigEntry("session.model_external_initializers_file_folder_path", folder);
        if (!settings.PrepackWeights) options.AddSessionConfigEntry("session.disable_prepacking", "1");
        return options;
    }

    private static ValueType? TypeOf(NodeMetadata metadata) => metadata.OnnxValueType switch
    {
        OnnxValueType.ONNX_TYPE_TENSOR => new TensorType((DataType)metadata.ElementDataType, ShapeOf(metadata)),
        OnnxValueType.ONNX_TYPE_SEQUENCE => new SequenceType(TypeOf(metadata.AsSequenceMetadata().ElementMeta)),
        OnnxValueType.ONNX_TYPE_OPTIONAL => new OptionalType(TypeOf(metadata.AsOptionalMetadata().ElementMeta)),
        OnnxValueType.ONNX_TYPE_MAP when metadata.AsMapMetadata() is var map => new MapType((DataType)map.KeyDataType, TypeOf(map.ValueMetadata)),
        _ => null,
    };

    private static Shape ShapeOf(NodeMetadata metadata) => new(metadata.Dimensions.Select((size, axis) =>
        size >= 0 ? Dimension.Of(size) : Dimension.OfSymbol(metadata.SymbolicDimensions[axis] ?? "")));
}
