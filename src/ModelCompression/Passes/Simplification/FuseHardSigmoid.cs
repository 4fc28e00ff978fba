using ModelCompression.Onnx.Graph;
using ModelCompression.Options;

namespace ModelCompression.Passes.Simplification;

/// <summary>Recognises HardSigmoid, and with it HardSwish, in the elementary operators that converters write: Clip(x + c, 0, h) / h becomes HardSigmoid(x; 1/h, c/h).</summary>
/// <remarks>
/// <para>Also x·Clip(x + c, 0, h) / h, which becomes x·HardSigmoid(x): two passes over the elements instead of four, which is where small convolutional networks spend as much time as in their
/// convolutions. The division may be a Mul by 1/h, before or after the product.</para>
/// <para>Only where the inner values have no other use, c and h are one-element constants and h is positive. Each output changes by rounding only: at most 4 units in the last place.</para>
/// </remarks>
public sealed class FuseHardSigmoid : ModelPass
{
    /// <inheritdoc/>
    protected override void Apply(Model model, CompressionSettings settings, PassLog log)
    {
        foreach (var scope in GraphScope.Of(model).Where(s => s.Opset >= 7).ToArray())
            foreach (var clip in scope.Graph.Nodes.Where(n => n.Is("Clip")).ToArray())
                if (clip.Graph is not null && Match(clip, scope) is { } match)
                {
                    string target = clip.DisplayName;
                    Rewrite(match, scope);
                    log.Applied(Name, target, match.Product is null ? "HardSigmoid of its input" : "product of its input and HardSigmoid");
                }
    }

    private static Pattern? Match(Node clip, GraphScope scope)
    {
        if (Bounds(clip, scope) is not (0, > 0 and var height) || double.IsInfinity(height)) return null;
        if (clip.Input(0)?.Producer is not { } add || !add.Is("Add") || !IsInner(add.Outputs[0]!) || Operand(add, scope) is not var (x, shift)) return null;
        if (SoleUser(clip) is not { } next) return null;
        if (IsDivisionBy(next, height, scope)) return new(add, clip, next, x, null, shift, height);
        if (!next.Is("Mul") || !next.Inputs.Contains(x) || next.Inputs[0] == next.Inputs[1] || SoleUser(next) is not { } division) return null;
        return IsDivisionBy(division, height, scope) ? new(add, clip, division, x, next, shift, height) : null;
    }

    private static void Rewrite(Pattern match, GraphScope scope)
    {
        var result = match.Last.Outputs[0]!;
        NodeAttribute[] attributes = [NodeAttribute.Of("alpha", (float)(1 / match.Height)), NodeAttribute.Of("beta", (float)(match.Shift / match.Height))];
        var gate = scope.Graph.InsertBefore(match.Last, "HardSigmoid", [match.X], match.Add.Outputs[0]!.Name, attributes);
        var value = match.Product is null ? gate : scope.Graph.InsertBefore(match.Last, "Mul", [match.X, gate], result.Name);
        value.Type = gate.Type = result.Type;
        result.ReplaceAllUsesWith(value);
        Node[] old = match.Product is { } product ? [match.Add, match.Clip, product, match.Last] : [match.Add, match.Clip, match.Last];
        Value[] constants = [.. old.SelectMany(n => n.Inputs).OfType<Value>().Where(v => scope.TryGetFixed(v, out _)).Distinct()];
        scope.Graph.RemoveNodes(old);
        foreach (var constant in constants) ConstantStorage.RemoveUnused(scope.Model, constant);
    }

    private static (double Min, double Max)? Bounds(Node clip, GraphScope scope)
    {
        if (clip.IsParameterized) return null;
        if (scope.Opset < 11) return (clip.GetFloat("min", float.MinValue), clip.GetFloat("max", float.MaxValue));
        return Scalar(clip.Input(1), scope) is { } min && Scalar(clip.Input(2), scope) is { } max ? (min, max) : null;
    }

    /// <summary>The two operands of a commutative node, one of them a one-element constant.</summary>
    private static (Value Value, double Constant)? Operand(Node node, GraphScope scope)
    {
        for (int side = 0; side < 2; side++)
            if (Scalar(node.Input(side), scope) is { } constant && node.Input(1 - side) is { } value && !scope.TryGetFixed(value, out _)) return (value, constant);
        return null;
    }

    private static bool IsDivisionBy(Node node, double height, GraphScope scope)
    {
        if (node.Outputs[0]!.IsReferencedByName) return false;
        if (node.Is("Div")) return Scalar(node.Input(1), scope) == height && !scope.TryGetFixed(node.Input(0), out _);
        // The reciprocal has been rounded to the type of the tensor: half of a unit in the last place of binary32 or binary16 respectively.
        return node.Is("Mul") && Operand(node, scope) is var (_, factor) && Math.Abs((factor * height) - 1) < 1e-7;
    }

    private static double? Scalar(Value? value, GraphScope scope) =>
        scope.TryGetFixed(value, out var tensor) && tensor.DataType == Onnx.Tensors.DataType.Float && tensor.Rank <= 1 ? ConstantScalar.TryRead(tensor) : null;

    private static Node? SoleUser(Node node) => IsInner(node.Outputs[0]!) && node.Outputs[0]!.Uses[0].Node is var user && user.Graph == node.Graph ? user : null;

    private static bool IsInner(Value value) => value is { Uses.Count: 1, IsGraphOutput: false, IsReferencedByName: false };

    private sealed record Pattern(Node Add, Node Clip, Node Last, Value X, Node? Product, double Shift, double Height);
}
