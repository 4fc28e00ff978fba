using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Analysis.Shapes;

/// <summary>Walks graphs in node order and applies the rules; bodies of control flow and functions are walked when their node is reached.</summary>
internal sealed class GraphInference
{
    /// <summary>Function calls and loop bodies are walked anew each time; nested ones could multiply without this.</summary>
    private const int MaxVisitsPerNode = 64;

    private readonly Dictionary<(string Domain, string Name, string Overload), Function> functions = [];
    private readonly HashSet<Function> calling = [];
    private long visitsLeft;

    public GraphInference(Model model, InferenceState state)
    {
        State = state;
        foreach (var function in model.Functions) functions.TryAdd((Domain(function.Domain), function.Name, function.Overload), function);
        visitsLeft = Math.Max(100_000, MaxVisitsPerNode * model.AllGraphs().Sum(g => (long)g.Nodes.Count));
    }

    public InferenceState State { get; }

    /// <summary>Walks a graph whose inputs have their types.</summary>
    /// <param name="graph">Main graph or body.</param>
    /// <param name="opsets">Opset imports in force.</param>
    /// <param name="bindings">In a function body: the caller's attributes.</param>
    public void Infer(OnnxGraph graph, OpsetImports opsets, IReadOnlyDictionary<string, NodeAttribute>? bindings)
    {
        foreach (var initializer in graph.Initializers)
        {
            if (initializer.Initializer is { } tensor) State.SetType(initializer, new TensorType(tensor.DataType, Shape.Of(tensor.Dims)));
            else if (initializer.SparseInitializer is { } sparse) State.SetType(initializer, new TensorType(sparse.Values.DataType, Shape.Of([.. sparse.Dims])));
        }

        foreach (var node in graph.Nodes) Infer(node, opsets, bindings);
    }

    /// <summary>Why nothing is known about a value that no rule has refused.</summary>
    public static string DefaultReason(Value value) =>
        value.Producer is { } producer ? $"the inputs of {producer.OpType} are not fully known"
        : value.IsGraphInput ? "the graph does not declare the type of its input"
        : "nothing states its type";

    private void Infer(Node node, OpsetImports opsets, IReadOnlyDictionary<string, NodeAttribute>? bindings)
    {
        foreach (var output in node.Outputs)
            if (output is not null) State.Forget(output);
        string? reason = --visitsLeft < 0 ? "the model's functions and loops nest too deeply to follow" : Apply(node, opsets, bindings);
        foreach (var output in node.Outputs)
        {
            if (output is null) continue;
            if (reason is not null) State.SetReason(output, reason);
            if (State.TypeOf(output) is null && State.Declared.TryGetValue(output, out var declared)) State.SetInferred(output, declared);
        }
    }

    /// <summary>Applies the rule of a node; the reason why it could not say everything, or null.</summary>
    private string? Apply(Node node, OpsetImports opsets, IReadOnlyDictionary<string, NodeAttribute>? bindings)
    {
        var inference = new NodeInference(this, node, opsets, bindings);
        try
        {
            if (functions.TryGetValue((Domain(node.Domain), node.OpType, node.Overload), out var function)) return Call(inference, function);
            if (InferenceRules.Find(Domain(node.Domain), node.OpType, inference.Opset) is not { } rule)
                return $"there is no inference rule for {(node.IsOnnxDomain ? node.OpType : $"{node.Domain}.{node.OpType}")}, opset {inference.Opset}";
            rule(inference);
            ContentRules.Apply(inference);
            return null;
        }
        catch (InferenceRefusedException refused)
        {
            return refused.Message;
        }
        catch (Exception e) when (e is ArithmeticException or ArgumentException or IndexOutOfRangeException or InvalidOperationException)
        {
            // Whatever an invalid model makes a rule trip over costs that node's shape, not the build.
            return $"inputs or attributes of {node.OpType} are outside what the operator allows";
        }
    }

    /// <summary>Walks the body of a model-local function with the types of this call.</summary>
    private string? Call(NodeInference caller, Function function)
    {
        if (!calling.Add(function)) return $"function {function.Name} calls itself";
        string outerPrefix = State.FreshPrefix;
        State.FreshPrefix = $"{outerPrefix}{caller.Node.Outputs.FirstOrDefault(o => o is not null)?.Name}/";
        try
        {
            var body = function.Body;
            for (int i = 0; i < body.Inputs.Count; i++)
            {
                State.Forget(body.Inputs[i]);
                State.SetType(body.Inputs[i], caller.TypeOf(i));
                if (caller.ContentOf(i) is { } content) State.SetContent(body.Inputs[i], content);
            }

            Infer(body, function.OpsetImports, Bind(caller, function));
            for (int i = 0; i < Math.Min(body.Outputs.Count, caller.Node.Outputs.Count); i++)
            {
                caller.Set(i, State.TypeOf(body.Outputs[i]));
                caller.SetContent(i, State.ContentOf(body.Outputs[i]));
            }

            State.KeepCall(body);
            return null;
        }
        finally
        {
            State.FreshPrefix = outerPrefix;
            calling.Remove(function);
        }
    }

    private static Dictionary<string, NodeAttribute> Bind(NodeInference caller, Function function)
    {
        var bound = new Dictionary<string, NodeAttribute>(StringComparer.Ordinal);
        foreach (var attribute in function.AttributeDefaults) bound[attribute.Name] = attribute;
        foreach (var attribute in caller.Node.Attributes)
            if (caller.Attributes.TryGet(attribute.Name, attribute.Type, out var resolved)) bound[attribute.Name] = resolved;
        return bound;
    }

    private static string Domain(string domain) => domain is "ai.onnx" ? "" : domain;
}
