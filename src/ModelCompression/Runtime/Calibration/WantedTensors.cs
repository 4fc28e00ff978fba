using ModelCompression.Onnx.Graph;
using ModelCompression.Statistics;

namespace ModelCompression.Runtime.Calibration;

/// <summary>Where the tensors of a plan come from: computed ones from a run, inputs from the sample, constants from the model.</summary>
internal sealed class WantedTensors
{
    private readonly Dictionary<Value, int> positions = new(ReferenceEqualityComparer.Instance);
    private readonly List<Value> computed = [];
    private readonly IReadOnlyDictionary<Value, ReducedTensor>? reduced;

    /// <summary>Finds what a plan needs.</summary>
    /// <param name="model">The model.</param>
    /// <param name="plan">The plan.</param>
    /// <param name="outputs">What stands for tensors of whose channels only extremes are needed; null to see all whole.</param>
    public WantedTensors(Model model, StatisticsPlan plan, ReducedOutputs? outputs = null)
    {
        reduced = outputs?.Of;
        foreach (var (tensor, _) in plan.Single)
        {
            if (outputs?.Settled.Contains(tensor) == true) continue;
            if (ReducedOf(tensor) is { } stands)
                foreach (var value in stands.Outputs) Add(value);
            else
                AddIfComputed(model, tensor);
        }

        foreach (var (x, y, _) in plan.Pairs)
        {
            AddIfComputed(model, x);
            AddIfComputed(model, y);
        }

        Names = [.. computed.Select(c => c.Name)];
    }

    /// <summary>What a run must return.</summary>
    public IReadOnlyList<Value> Computed => computed;

    /// <summary>Their names.</summary>
    public IReadOnlyList<string> Names { get; }

    /// <summary>Position among <see cref="Computed"/>, or −1.</summary>
    public int PositionOf(Value value) => positions.GetValueOrDefault(value, -1);

    /// <summary>What a run returns instead of a tensor, or null when it returns the tensor.</summary>
    public ReducedTensor? ReducedOf(Value value) => reduced?.GetValueOrDefault(value);

    /// <summary>True for what nodes of the main graph compute; inputs and constants are known without a run.</summary>
    public static bool IsComputed(Value value, Model model) => value.Graph == model.Graph && value.Producer is not null && !value.TryGetConstant(out _);

    private void AddIfComputed(Model model, Value value)
    {
        if (IsComputed(value, model)) Add(value);
    }

    private void Add(Value value)
    {
        if (positions.TryAdd(value, computed.Count)) computed.Add(value);
    }
}
