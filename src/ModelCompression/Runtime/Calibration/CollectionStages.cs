using ModelCompression.Onnx.Graph;
using ModelCompression.Statistics;

namespace ModelCompression.Runtime.Calibration;

/// <summary>What has to run in one turn when nothing that cannot change any more is computed again.</summary>
/// <param name="Outputs">What to compute: the turn's tensors, and what later turns read of values that are final from this turn on.</param>
/// <param name="Kept">Those of <paramref name="Outputs"/> that are read later.</param>
/// <param name="Read">Values of earlier turns that the computation starts from.</param>
/// <param name="Behind">Kept values that the turn's edits start from; none without edits.</param>
/// <param name="Spent">Values that no later turn reads.</param>
internal sealed record CollectionStage(IReadOnlyList<Value> Outputs, IReadOnlyList<Value> Kept, IReadOnlyList<Value> Read, IReadOnlyList<Value> Behind, IReadOnlyList<Value> Spent);

/// <summary>
/// Cuts a model along turns. A value is final when nothing that it depends on changes any more: it is computed in that turn, and later turns start from it. Behind it a turn computes
/// only as far as its own tensors ask for.
/// </summary>
internal sealed class CollectionStages
{
    private const int Constant = -1;

    private readonly Model model;
    private readonly Dictionary<Value, int> finals = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<Value, int> lastUses = new(ReferenceEqualityComparer.Instance);

    private CollectionStages(Model model, IEnumerable<IReadOnlyList<Value>> changed)
    {
        this.model = model;
        FindFinals(changed);
    }

    /// <summary>The stages, one per turn.</summary>
    public static IReadOnlyList<CollectionStage> Of(Model model, IReadOnlyList<CollectionTurn> turns)
    {
        var stages = new CollectionStages(model, turns.Select(t => t.Decided));
        return Backwards(turns.Count, t => stages.OfTurn(t, turns[t].Tensors));
    }

    /// <summary>The stages for edits of a model, one per group of edits that start from the same values.</summary>
    /// <param name="model">The model, of whose outputs the edited copies are asked for.</param>
    /// <param name="changed">What the edits of each group change.</param>
    public static IReadOnlyList<CollectionStage> OfEdits(Model model, IReadOnlyList<IReadOnlyList<Value>> changed)
    {
        var stages = new CollectionStages(model, changed);
        return Backwards(changed.Count, stages.OfEdits);
    }

    /// <summary>What a turn has to keep is known from those after it.</summary>
    private static CollectionStage[] Backwards(int count, Func<int, CollectionStage> stage)
    {
        var found = new CollectionStage[count];
        for (int t = count - 1; t >= 0; t--) found[t] = stage(t);
        return found;
    }

    /// <summary>The turn from which on a value does not change, or that it is a constant.</summary>
    private void FindFinals(IEnumerable<IReadOnlyList<Value>> changed)
    {
        var earliest = new Dictionary<Value, int>(ReferenceEqualityComparer.Instance);
        foreach (var (turn, values) in changed.Index())
            foreach (var value in values) earliest[value] = turn + 1;
        foreach (var input in model.Graph.Inputs)
            if (input.Initializer is null && input.SparseInitializer is null) finals[input] = earliest.GetValueOrDefault(input);
        foreach (var node in model.Graph.Nodes)
        {
            int final = GraphCopy.Needs(node).Select(FinalOf).DefaultIfEmpty(Constant).Max();
            foreach (var output in node.Outputs)
                if (output is not null) finals[output] = Math.Max(final, earliest.GetValueOrDefault(output, Constant));
        }
    }

    private int FinalOf(Value value) => finals.GetValueOrDefault(value, Constant);

    private CollectionStage OfTurn(int turn, IReadOnlyList<Value> wanted)
    {
        var kept = KeptFrom(turn);
        var tensors = wanted.Where(t => WantedTensors.IsComputed(t, model)).ToArray();
        // A tensor that was final before is kept by an earlier turn like what is read here.
        Value[] outputs = [.. tensors.Where(t => FinalOf(t) >= turn).Union(kept)];
        var read = Reads(outputs, turn);
        return new(outputs, kept, read, [], Use(read.Concat(tensors.Where(t => FinalOf(t) < turn)), turn));
    }

    private CollectionStage OfEdits(int group)
    {
        var behind = Reads(model.Graph.Outputs, group + 1);
        var spent = Use(behind, group);
        var kept = KeptFrom(group);
        var read = Reads(kept, group);
        return new(kept, kept, read, behind, [.. spent, .. Use(read, group)]);
    }

    /// <summary>What later turns read of the values that are final in a turn.</summary>
    private Value[] KeptFrom(int turn) => [.. lastUses.Keys.Where(v => FinalOf(v) == turn)];

    /// <summary>Notes that a turn reads values; returns those that no later one does.</summary>
    private Value[] Use(IEnumerable<Value> values, int turn) => [.. values.Where(v => lastUses.TryAdd(v, turn))];

    /// <summary>Walks back from what is to be computed to values that were final before a turn. Inputs of the model and constants are at hand in every turn.</summary>
    private List<Value> Reads(IEnumerable<Value> outputs, int turn)
    {
        var read = new List<Value>();
        var seen = new HashSet<Value>(ReferenceEqualityComparer.Instance);
        var stack = new Stack<Value>(outputs);
        while (stack.TryPop(out var value))
        {
            if (!seen.Add(value) || FinalOf(value) == Constant || value.Producer is not { } producer) continue;
            if (FinalOf(value) >= turn || TurnsCodesBack(producer))
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
