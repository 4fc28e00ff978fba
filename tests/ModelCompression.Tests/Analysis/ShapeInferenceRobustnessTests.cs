using ModelCompression.Analysis;
using ModelCompression.Analysis.Costs;
using ModelCompression.Analysis.Views;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Testing;

namespace ModelCompression.Tests.Analysis;

/// <summary>Damaged models cost shapes, never the build: every conformance model with attributes, types and constants replaced by nonsense.</summary>
[TestClass]
public sealed class ShapeInferenceRobustnessTests
{
    private static readonly long[] Odd = [0, 1, -1, 2, 3, -7, 5, 100, int.MaxValue, long.MaxValue, long.MinValue];

    [TestMethod]
    public void Run_DamagedModels_NeverThrows()
    {
        var random = new Random(99);
        int models = 0, unresolved = 0;
        foreach (string file in Directory.EnumerateFiles(ModelZoo.OnnxTestData(), "*.onnx", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            for (int round = 0; round < 3; round++)
            {
                using var model = TryRead(file);
                if (model is null) break;
                foreach (var graph in model.AllGraphs().ToList()) Damage(graph, random);
                unresolved += ShapeInference.Run(model).Unresolved.Count;
                CostModel.Measure(model, new Dictionary<string, Shape>());
                ParameterCounter.Count(model);
                foreach (var node in model.Graph.AllNodes()) View(node);
                models++;
            }
        }

        Assert.IsGreaterThan(3000, models);
        Assert.IsGreaterThan(1000, unresolved, "the damage did no harm: the test says nothing");
    }

    private static Model? TryRead(string file)
    {
        try
        {
            return OnnxReader.Read(file);
        }
        catch (DiagnosticException)
        {
            return null;
        }
    }

    private static void Damage(OnnxGraph graph, Random random)
    {
        foreach (var input in graph.Inputs)
            if (random.Next(3) == 0) input.Type = Types(random);
        foreach (var initializer in graph.Initializers.ToList())
            if (random.Next(3) == 0) graph.SetInitializer(initializer, Tensor.Int64([2], Pick(random), Pick(random)));
        foreach (var node in graph.Nodes)
        {
            foreach (var output in node.Outputs) output?.Type = random.Next(2) == 0 ? Types(random) : null;
            foreach (var attribute in node.Attributes.ToList())
            {
                if (random.Next(2) == 0) continue;
                if (attribute.Type == AttributeType.Int) node.SetAttribute(NodeAttribute.Of(attribute.Name, Pick(random)));
                else if (attribute.Type == AttributeType.Ints) node.SetAttribute(NodeAttribute.Of(attribute.Name, [.. Enumerable.Range(0, random.Next(6)).Select(_ => Pick(random))]));
                else if (attribute.Type is AttributeType.String or AttributeType.Float) node.RemoveAttribute(attribute.Name);
            }

            if (node.Inputs.Count > 0 && random.Next(4) == 0) node.SetInput(random.Next(node.Inputs.Count), null);
            if (node.Inputs.Count > 0 && random.Next(6) == 0) node.TrimInputs(random.Next(node.Inputs.Count));
        }
    }

    private static long Pick(Random random) => Odd[random.Next(Odd.Length)];

    private static Onnx.Tensors.ValueType? Types(Random random) => random.Next(6) switch
    {
        0 => null,
        1 => new TensorType(DataType.Float, null),
        2 => new SequenceType(null),
        _ => new TensorType((DataType)random.Next(1, 17), GraphFixture.Shape([.. Enumerable.Range(0, random.Next(6)).Select(object? (_) => random.Next(3) switch { 0 => null, 1 => "N", _ => random.Next(5) })])),
    };

    private static void View(Node node)
    {
        ConvView.TryFrom(node, out _);
        ConvTransposeView.TryFrom(node, out _);
        PoolView.TryFrom(node, out _);
        GemmView.TryFrom(node, out _);
        MatMulView.TryFrom(node, out _);
        BatchNormalizationView.TryFrom(node, out _);
        GatherView.TryFrom(node, out _);
        LstmView.TryFrom(node, out _);
        GruView.TryFrom(node, out _);
        RnnView.TryFrom(node, out _);
    }
}
