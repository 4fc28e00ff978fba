using ModelCompression.Analysis;
using ModelCompression.Data;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Runtime.Calibration;
using ValueType = ModelCompression.Onnx.Tensors.ValueType;

namespace ModelCompression.Runtime;

/// <summary>Types of values as one run produced them.</summary>
/// <param name="Types">
/// Type per observed value. Sizes are those of this run: unlike inferred ones they may depend on the inputs, their sizes and their content.
/// </param>
/// <param name="Missing">Values that were asked for but not observed, and why.</param>
/// <param name="Inputs">The inputs of the run, or null when none succeeded.</param>
public sealed record ObservedTypesResult(IReadOnlyDictionary<Value, ValueType> Types, IReadOnlyList<UnresolvedValue> Missing, Sample? Inputs);

/// <summary>
/// Finds types and shapes by running the model once with the wanted values as additional outputs, where inference rules end. Failures are reasons, never exceptions.
/// </summary>
public static class ObservedTypes
{
    /// <summary>
    /// Completes <paramref name="inference"/>: observes its unresolved values and stores what was seen in <see cref="Value.Type"/>, where that says less.
    /// Values inside branches and loops get what the rules give for the sizes of this run's inputs. Without unresolved values nothing runs.
    /// </summary>
    public static ObservedTypesResult Complete(Model model, ShapeInferenceResult inference, SampleSource samples)
    {
        if (inference.Unresolved.Count == 0) return new(new Dictionary<Value, ValueType>(), [], null);
        // A run is wanted even when none of the values can be an output: it tells which input sizes the model accepts.
        var values = inference.Unresolved.Select(u => u.Value).ToList();
        var result = Observe(model, [.. values, .. model.Graph.Outputs.Where(o => !values.Contains(o)).Take(1)], samples);
        var types = new Dictionary<Value, ValueType>();
        var missing = new List<UnresolvedValue>();
        var evaluated = result.Inputs is null ? null : ShapeInference.Evaluate(model, ShapesOf(result.Inputs));
        foreach (var value in values)
        {
            if (result.Types.TryGetValue(value, out var type) || (evaluated?.WhyUnresolved(value) is null && (type = evaluated?.TypeOf(value)) is not null)) types.Add(value, type);
            else missing.Add(result.Missing.FirstOrDefault(m => m.Value == value) ?? new(value, inference.WhyUnresolved(value)!));
        }

        foreach (var (value, type) in types)
            if (!(value.Graph == model.Graph && value.OutputOf.Contains(model.Graph) && value.Type is not null)) value.Type = type;
        return new(types, missing, result.Inputs);
    }

    /// <summary>Shapes of the tensors among the inputs, by name.</summary>
    public static IReadOnlyDictionary<string, Shape> ShapesOf(Sample sample) =>
        sample.Inputs.Where(i => i.Value is TensorValue).ToDictionary(i => i.Name, i => Shape.Of(((TensorValue)i.Value).Tensor.Dims), StringComparer.Ordinal);

    /// <summary>Observes values on the first sample that the model accepts.</summary>
    /// <param name="model">The model; it is the same afterwards.</param>
    /// <param name="values">Values to observe.</param>
    /// <param name="samples">Inputs; their attempts are tried in order.</param>
    public static ObservedTypesResult Observe(Model model, IReadOnlyCollection<Value> values, SampleSource samples)
    {
        var missing = new List<UnresolvedValue>();
        var wanted = new List<Value>();
        foreach (var value in values)
        {
            if (WhyNotObservable(model, value) is { } reason) missing.Add(new(value, reason));
            else wanted.Add(value);
        }

        var types = new Dictionary<Value, ValueType>();
        if (wanted.Count == 0) return new(types, missing, null);
        string? failure = Run(model, wanted, samples, types, out var inputs);
        foreach (var value in wanted)
            if (!types.ContainsKey(value)) missing.Add(new(value, failure ?? "ONNX Runtime returned no value of a type this library knows"));
        return new(types, missing, inputs);
    }

    private static string? WhyNotObservable(Model model, Value value) =>
        value.Graph != model.Graph ? "it is computed inside a branch, loop or function, where a run cannot show it"
        : value.Producer is null ? "it is an input or constant, which a run does not compute"
        : null;

    /// <summary>Runs the model; null, or why nothing was observed.</summary>
    private static string? Run(Model model, List<Value> wanted, SampleSource samples, Dictionary<Value, ValueType> types, out Sample? inputs)
    {
        inputs = null;
        if (samples.Refusal is { } refusal) return refusal;
        if (samples.Count == 0) return "there are no samples to run the model on";
        try
        {
            using var session = ObservingSession.Open(model, wanted, SessionSettings.Lean);
            string? failure = null;
            for (int attempt = 0; attempt < samples.AttemptCount; attempt++)
            {
                try
                {
                    var sample = samples.Read(attempt, 0);
                    var outputs = session.Run(sample.Inputs).ToDictionary(o => o.Name, o => o.Value, StringComparer.Ordinal);
                    foreach (var value in wanted)
                        if (TypeOf(outputs[value.Name]) is { } type) types[value] = type;
                    inputs = sample;
                    return null;
                }
                catch (DiagnosticException e)
                {
                    failure ??= e.Diagnostic.Message;
                }
            }

            return failure;
        }
        catch (DiagnosticException e)
        {
            return e.Diagnostic.Message;
        }
        catch (IOException e)
        {
            return $"the model could not be written for a run: {e.Message}";
        }
    }

    private static ValueType? TypeOf(ModelValue value) => value switch
    {
        TensorValue { Tensor: var tensor } => new TensorType(tensor.DataType, Shape.Of(tensor.Dims)),
        SequenceValue { Elements: var elements } => new SequenceType(CommonType(elements)),
        MapValue map => new MapType(map.Keys.DataType, new TensorType(map.Values.DataType, Shape.Of())),
        _ => null,
    };

    /// <summary>The type of a sequence's members; without a shape when they differ.</summary>
    private static ValueType? CommonType(IReadOnlyList<ModelValue> elements)
    {
        var types = elements.Select(TypeOf).Distinct().ToList();
        return types.Count == 1 ? types[0]
            : types.Count > 0 && types.All(t => t is TensorType) && types.Select(t => ((TensorType)t!).ElementType).Distinct().Count() == 1
                ? new TensorType(((TensorType)types[0]!).ElementType, null)
                : null;
    }
}
