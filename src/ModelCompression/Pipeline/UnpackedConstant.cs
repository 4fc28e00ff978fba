using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Passes.Simplification;
using ModelCompression.Runtime;

namespace ModelCompression.Pipeline;

/// <summary>What constants are that a session computes from stored ones when it is opened, such as packed weights.</summary>
internal static class UnpackedConstant
{
    /// <summary>More nodes between stored constants and a weight than any storage form has.</summary>
    private const int MostNodes = 64;

    /// <summary>What a consumer reads: a constant, or what nodes make of constants when a session is created.</summary>
    public static Tensor? Of(Model model, Value value)
    {
        if (value.TryGetConstant(out var stored)) return stored;
        var nodes = new List<Node>();
        var constants = new Dictionary<Value, Tensor>(ReferenceEqualityComparer.Instance);
        if (!Collect(value, nodes, constants, [])) return null;
        return new OrtConstantEvaluator().TryEvaluate(new ConstantSubgraph(model.IrVersion, model.OpsetImports, nodes, constants, [value]), out _)?[0];
    }

    /// <summary>Adds the nodes behind a value in the order they run; false when it is not made of constants alone.</summary>
    private static bool Collect(Value value, List<Node> nodes, Dictionary<Value, Tensor> constants, HashSet<Node> seen)
    {
        if (value.TryGetConstant(out var tensor))
        {
            constants[value] = tensor;
            return true;
        }

        if (value.Producer is not { } producer || producer.Subgraphs.Any() || nodes.Count >= MostNodes) return false;
        if (!seen.Add(producer)) return true;
        foreach (var input in producer.Inputs)
            if (input is not null && !Collect(input, nodes, constants, seen)) return false;
        nodes.Add(producer);
        return true;
    }
}
