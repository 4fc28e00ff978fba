using ModelCompression.Onnx.Graph;
using ModelCompression.Statistics;

namespace ModelCompression.Runtime.Calibration;

/// <summary>What has to run in one turn when nothing that cannot change any more is computed again.</summary>
/// <param name="Outputs">What to compute: the turn's tensors, and what later turns read of values that are final from this turn on.</param>
/// <param name="Kept">Those of <paramref name="Outputs"/> that later turns read.</param>
/// <param name="Read">Values of earlier turns that the computation starts from.</param>
/// <param name="Spent">Values that no later turn reads.</param>
internal sealed record CollectionStage(IReadOnlyList<Value> Outputs, IReadOnlyList<Value> Kept, IReadOnlyList<Value> Read, IReadOnlyList<Value> Spent);

/// <summary>
/// Cuts a model along turns. A value is final when all inputs that it depends on are decided: it is computed in that turn, and later turns start from it. Behind it a turn computes
/// only as far as its own tensors ask for.
/// </summary>
internal sealed class CollectionStages
{
    private const int Constant = -1;

    private readonly Model model;
    private readonly IReadOnlyList<CollectionTurn> turns;
    private readonly Dictionary<Value, int> finals = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<Value, int> lastUses = new(ReferenceEqualityComparer.Instance);

    private CollectionStages(Model model, IReadOnlyList<CollectionTurn> turns)
    {
        this.model = model;
        this.turns = turns;
    }

    /// <summary>The stages, one per turn.</summary>
    public static IReadOnlyList<CollectionStage> Of(Model model, IReadOnlyList<CollectionTurn> turns)
    {
        var stages = new CollectionStages(model, turns);
        stages.FindFinals();
        // Backwards: what a turn has to keep is known from those after it.
        var found = new CollectionStage[turns.Count];
        for (int t = turns.Count - 1; t >= 0; t--) found[t] = stages.Stage(t);
        return found;
    }

    /// <summary>The turn from which on a value does not change, or that it is a constant.</summary>
    private void FindFinals()
    {
        foreach (var input in model.Graph.Inputs)
            if (input.Initializer is null && input.SparseInitializer is null) finals[input] = 0;
        for (int t = 0; t < turns.Count; t++)
            foreach (var input in turns[t].Decided) finals[input] = t + 1;
        foreach (var node in model.Graph.Nodes)
        {
            int final = GraphCopy.Needs(node).Select(FinalOf).DefaultIfEmpty(Constant).Max();
            foreach (var output in node.Outputs)
                if (output is not null) finals[output] = final;
        }
    }

    private int FinalOf(Value value) => finals.GetValueOrDefault(value, Constant);

    private CollectionStage Stage(int turn)
    {
        var kept = lastUses.Keys.Where(v => FinalOf(v) == turn).ToArray();
        var tensors = turns[turn].Tensors.Where(t => WantedTensors.IsComputed(t, model)).ToArray();
        // A tensor that was final before is kept by an earlier turn like what is read here.
        Value[] outputs = [.. tensors.Where(t => !IsFinalBefore(t, turn)).Union(kept)];
        var read = Reads(outputs, turn);
        foreach (var value in read.Concat(tensors.Where(t => IsFinalBefore(t, turn)))) lastUses.TryAdd(value, turn);
        return new(outputs, kept, read, [.. lastUses.Where(u => u.Value == turn).Select(u => u.Key)]);
    }

    private bool IsFinalBefore(Value value, int turn) => FinalOf(value) < turn;

    /// <summary>Walks back from what is to be computed to values that were final before. Inputs of the model and constants are at hand in every turn.</summary>
    private List<Value> Reads(IEnumerable<Value> outputs, int turn)
    {
        var read = new List<Value>();
        var seen = new HashSet<Value>(ReferenceEqualityComparer.Instance);
        var stack = new Stack<Value>(outputs);
        while (stack.TryPop(out var value))
        {
            if (!seen.Add(value) || FinalOf(value) == Constant || value.Producer is not { } producer) continue;
            if (!IsFinalBefore(value, turn) || TurnsCodesBack(producer))
            {
                foreach (var needed in GraphCopy.Needs(producer)) stack.Push(needed);
            }
            else
            {
                read.Add(value);
            }
        }

        return read;
    }

    /// <summary>Codes take a quarter of the memory of the numbers they stand for, and ONNX Runtime sees that what follows reads codes.</summary>
    private bool TurnsCodesBack(Node node) => node.Is("DequantizeLinear") && node.Inputs.Skip(1).All(i => i is null || FinalOf(i) == Constant);
}
