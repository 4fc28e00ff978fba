using ModelCompression.Onnx.Graph;
using ModelCompression.Statistics;

namespace ModelCompression.Runtime.Calibration;

/// <summary>Where the tensors of a plan come from: computed ones from a run, inputs from the sample, constants from the model.</summary>
internal sealed class WantedTensors
{
    private readonly Dictionary<Value, int> positions = new(ReferenceEqualityComparer.Instance);
    private readonly List<Value> computed = [];
    private readonly IReadOnlyDictionary<Value, Value>? peaks;

    /// <summary>Finds what a plan needs.</summary>
    /// <param name="model">The model.</param>
    /// <param name="plan">The plan.</param>
    /// <param name="peaks">What stands for tensors of whose channels only the largest elements are needed; null for none.</param>
    public WantedTensors(Model model, StatisticsPlan plan, IReadOnlyDictionary<Value, Value>? peaks = null)
    {
        this.peaks = peaks;
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

    /// <summary>True if what a run returns for a tensor are the largest elements of its channels.</summary>
    public bool ArePeaks(Value value) => peaks?.ContainsKey(value) == true;

    /// <summary>True for what nodes of the main graph compute; inputs and constants are known without a run.</summary>
    public static bool IsComputed(Value value, Model model) => value.Graph == model.Graph && value.Producer is not null && !value.TryGetConstant(out _);

    private void Add(Model model, Value value)
    {
        if (!IsComputed(value, model) || positions.ContainsKey(value)) return;
        positions.Add(value, computed.Count);
        computed.Add(peaks is null ? value : peaks.GetValueOrDefault(value, value));
    }
}
