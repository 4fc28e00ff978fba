using ModelCompression.Onnx.Graph;
using ModelCompression.Statistics;

namespace ModelCompression.Runtime.Calibration;

/// <summary>Where the tensors of a plan come from: computed ones from a run, inputs from the sample, constants from the model.</summary>
internal sealed class WantedTensors
{
    private readonly Dictionary<Value, int> positions = new(ReferenceEqualityComparer.Instance);
    private readonly List<Value> computed = [];

    public WantedTensors(Model model, StatisticsPlan plan)
    {
        foreach (var (tensor, _) in plan.Single) Add(model, tensor);
        foreach (var (x, y, _) in plan.Pairs)
        {
            Add(model, x);
            Add(model, y);
        }

        Names = [.. computed.Select(c => c.Name)];
    }

    /// <summary>What a run must return.</summary>
    public IReadOnlyList<Value> Computed => computed;

    /// <summary>Their names.</summary>
    public IReadOnlyList<string> Names { get; }

    /// <summary>Position among <see cref="Computed"/>, or −1.</summary>
    public int PositionOf(Value value) => positions.GetValueOrDefault(value, -1);

    /// <summary>True for what nodes of the main graph compute; inputs and constants are known without a run.</summary>
    public static bool IsComputed(Value value, Model model) => value.Graph == model.Graph && value.Producer is not null && !value.TryGetConstant(out _);

    private void Add(Model model, Value value)
    {
        if (!IsComputed(value, model) || positions.ContainsKey(value)) return;
        positions.Add(value, computed.Count);
        computed.Add(value);
    }
}
