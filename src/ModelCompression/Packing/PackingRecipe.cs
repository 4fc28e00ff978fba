using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Packing;

/// <summary>The constants and nodes that stand for one tensor, in order; the last step yields it.</summary>
internal sealed class PackingRecipe
{
    /// <summary>Assumed length of the prefix that keeps names apart.</summary>
    private const int PrefixByteLength = 5;

    private readonly List<RecipeStep> steps = [];

    public IReadOnlyList<RecipeStep> Steps => steps;

    public int Add(RecipeStep step)
    {
        bool isNew = steps.TrueForAll(s => s.Suffix != step.Suffix);
        steps.Add(isNew ? step : step with { Suffix = FormattableString.Invariant($"{step.Suffix}{steps.Count}") });
        return steps.Count - 1;
    }

    /// <summary>Adds a constant of a known small content.</summary>
    public int Constant<T>(string suffix, DataType type, long[] dims, params T[] elements) where T : unmanaged =>
        Add(new ConstantStep(suffix, type, dims, () => Tensor.Create(type, dims, elements))
        {
            SharingKey = FormattableString.Invariant($"{type}[{string.Join(',', dims)}] {string.Join(',', elements)}"),
        });

    /// <summary>Adds a node named by its position.</summary>
    public int Node(string opType, int[] inputs, params NodeAttribute[] attributes) =>
        Add(new NodeStep(FormattableString.Invariant($"{steps.Count}"), opType, inputs, attributes));

    /// <summary>Adds a node whose output depends on nothing but <paramref name="key"/>.</summary>
    public int SharedNode(string key, string opType, int[] inputs, params NodeAttribute[] attributes) =>
        Add(new NodeStep(FormattableString.Invariant($"{steps.Count}"), opType, inputs, attributes) { SharingKey = key });

    /// <summary>Bytes in the file: messages with their prefixes and names.</summary>
    public long ByteLength(PackingRequest request)
    {
        long total = 0;
        // A step that shares its value with an earlier one takes that one's name wherever it is used.
        int[] named = [.. steps.Select((step, i) => step.SharingKey is { } key ? steps.FindIndex(s => s.SharingKey == key) : i)];
        for (int i = 0; i < steps.Count; i++)
        {
            if (named[i] != i) continue;
            total += steps[i] switch
            {
                ConstantStep c when request.UseConstantNodes => ProtobufLength.Prefixed(ConstantNode(c, NameLength(i, request))),
                ConstantStep c => ProtobufLength.Prefixed(ProtobufLength.Tensor(c.Type, c.Dims, c.DataByteLength, NameLength(i, request))),
                GivenStep => 0,
                NodeStep n => ProtobufLength.Prefixed(ProtobufLength.Node(n.OpType, [.. n.Inputs.Select(j => NameLength(named[j], request)), NameLength(i, request)], n.Attributes)),
                _ => throw new NotSupportedException(),
            };
        }

        return total;
    }

    /// <summary>Makes the data of all constants ahead of emission.</summary>
    public Dictionary<ConstantStep, Tensor> Prepare() =>
        steps.OfType<ConstantStep>().ToDictionary(step => step, step => step.Make(), (IEqualityComparer<ConstantStep>)ReferenceEqualityComparer.Instance);

    /// <summary>Adds the steps to a section. Data made beforehand is passed in <paramref name="tensors"/>, the value of a <see cref="GivenStep"/> in <paramref name="given"/>.</summary>
    public Value Emit(UnpackingSection section, string name, bool useConstantNodes, IReadOnlyDictionary<ConstantStep, Tensor> tensors, Value? given = null)
    {
        var graph = section.Graph;
        int index = section.NextIndex();
        string? prefix = null;
        var values = new Value[steps.Count];
        for (int i = 0; i < steps.Count; i++)
        {
            if (section.TryGetShared(steps[i].SharingKey, out var shared))
            {
                values[i] = shared!;
                continue;
            }

            string wanted = i == steps.Count - 1 ? name : $"{prefix ??= graph.NewName("p")}.{steps[i].Suffix}";
            values[i] = steps[i] switch
            {
                ConstantStep c when useConstantNodes => Append("Constant", [], [NodeAttribute.Of("value", tensors[c])]),
                ConstantStep c => graph.AddInitializer(wanted, tensors[c]),
                GivenStep => given!,
                NodeStep n => Append(n.OpType, n.Inputs.Select(j => values[j]), n.Attributes),
                _ => throw new NotSupportedException(),
            };
            section.Share(steps[i].SharingKey, values[i]);

            Value Append(string opType, IEnumerable<Value?> inputs, NodeAttribute[] attributes)
            {
                var node = graph.AddNode(opType, inputs, [wanted], attributes, index: index++);
                section.EndAt(node);
                return node.Outputs[0]!;
            }
        }

        return values[^1];
    }

    private static long ConstantNode(ConstantStep constant, int nameByteLength)
    {
        long tensor = ProtobufLength.Tensor(constant.Type, constant.Dims, constant.DataByteLength, 0);
        long attribute = ProtobufLength.Prefixed("value".Length) + 3 + ProtobufLength.Prefixed(tensor);
        return ProtobufLength.Node("Constant", [nameByteLength], []) + ProtobufLength.Prefixed(attribute);
    }

    private int NameLength(int step, PackingRequest request) =>
        step == steps.Count - 1 ? request.NameByteLength : PrefixByteLength + 1 + steps[step].Suffix.Length;
}
