using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Passes.Simplification;
using ModelCompression.Testing;

namespace ModelCompression.Tests.Passes.Simplification;

[TestClass]
public sealed class ShortenNamesTests
{
    private const string Path = "StatefulPartitionedCall/functional/";

    [TestMethod]
    public void LongNames_BecomeShort_AndTheInterfaceStays()
    {
        var m = Deep(120);
        long before = TextOf(m);
        var log = m.RunEquivalently(new ShortenNames());
        Assert.HasCount(1, log.Edits);
        Assert.IsLessThan(before / 4, TextOf(m));
        Assert.AreEqual(Path + "image", m.Graph.Inputs[0].Name);
        Assert.AreEqual(Path + "result", m.Graph.Outputs[0].Name);
        string[] names = [.. m.Graph.Nodes.SelectMany(n => n.Outputs.OfType<Value>()).Concat(m.Graph.Initializers).Select(v => v.Name)];
        CollectionAssert.AllItemsAreUnique(names);
        Assert.IsTrue(names.All(n => n.Length <= 2 || n == Path + "result"));
    }

    [TestMethod]
    public void NodeNames_LoseOnlyThePathTheyShare()
    {
        var m = Deep(120);
        m.Run(new ShortenNames());
        Assert.AreEqual("layer0/Add", m.Graph.Nodes[0].Name);
        Assert.AreEqual("layer119/Add", m.Graph.Nodes[119].Name);
    }

    [TestMethod]
    public void FewBytes_OrKeep_ChangeNothing()
    {
        var few = Deep(12);
        Assert.IsEmpty(few.Run(new ShortenNames()).Edits);
        var kept = Deep(120);
        long before = TextOf(kept);
        Assert.IsEmpty(kept.Run(new ShortenNames(), new CompressionOptions { InnerNames = InnerNames.Keep }).Edits);
        Assert.AreEqual(before, TextOf(kept));
    }

    [TestMethod]
    [DataRow(100_000, true)]
    [DataRow(1_200_000, false)]
    public void FewerBytes_Count_InSmallModels(int elements, bool shortened)
    {
        var m = Deep(30);
        m.Output(m.Node("Identity", [m.Weight("w", elements)]));
        using var model = OnnxReader.Read(OnnxWriter.ToBytes(m.Model));
        Assert.AreEqual(shortened, ShortenNames.Plan(model, new(new CompressionOptions())) is not null);
    }

    [TestMethod]
    public void NamesThatTextsMention_Stay()
    {
        var m = Deep(120);
        string mentioned = m.Graph.Nodes[5].Outputs[0]!.Name, stated = m.Graph.Nodes[6].Outputs[0]!.Name;
        m.Graph.Nodes[9].SetAttribute(NodeAttribute.Of("custom", mentioned));
        m.Model.SetMetadata("stage", stated);
        m.Run(new ShortenNames());
        Assert.AreEqual(mentioned, m.Graph.Nodes[5].Outputs[0]!.Name);
        Assert.AreEqual(stated, m.Graph.Nodes[6].Outputs[0]!.Name);
        Assert.IsLessThanOrEqualTo(2, m.Graph.Nodes[7].Outputs[0]!.Name.Length);
    }

    [TestMethod]
    public void Subgraphs_AreRenamed_WithoutShadowing()
    {
        var m = new TestModel();
        var x = m.Input("x", 1, 8);
        var captured = m.Node("Exp", [x]);
        TestModel[] branches = [m.Subgraph("then"), m.Subgraph("else")];
        foreach (var branch in branches)
        {
            var value = captured;
            for (int i = 0; i < 60; i++) value = Named(branch, "Add", [value, branch.Weight($"{Path}layer{i}/weight", 8)], i);
            branch.Output(value);
        }

        m.Output(m.Node("If", [m.Input("c", DataType.Bool)], NodeAttribute.Of("then_branch", branches[0].Graph), NodeAttribute.Of("else_branch", branches[1].Graph)));
        Assert.HasCount(1, m.RunEquivalently(new ShortenNames()).Edits);
        Assert.IsLessThanOrEqualTo(2, branches[1].Graph.Outputs[0].Name.Length);
        CollectionAssert.AllItemsAreUnique(m.Graph.AllNodes().SelectMany(n => n.Outputs.OfType<Value>()).Select(v => v.Name).ToArray());
    }

    [TestMethod]
    public void DeclaredTypesThatFollow_Go_AndOutputsStay()
    {
        using var model = OnnxReader.Read(ModelZoo.Path("blazeface/face_detection_front_128x128_barracuda.onnx"));
        Value[] inner = [.. model.Graph.Nodes.SelectMany(n => n.Outputs.OfType<Value>()).Where(v => !v.IsGraphOutput)];
        Assert.IsGreaterThan(50, inner.Count(v => Declarations.ByteLengthOf(v) > 0));
        Equivalence.Keep(model, () => { new ShortenNames().Run(model, new CompressionSettings(new CompressionOptions()), new()); return 0; }, tolerance: 0);
        Assert.AreEqual(0, inner.Count(v => Declarations.ByteLengthOf(v) > 0));
    }

    [TestMethod]
    public void PlannedSaving_IsWhatTheFileLoses()
    {
        using var model = OnnxReader.Read(ModelZoo.Path("blazeface/face_detection_front_128x128_barracuda.onnx"));
        long before = OnnxWriter.ToBytes(model).Length;
        var plan = NameShortening.Of(model)!;
        plan.Apply();
        long saved = before - OnnxWriter.ToBytes(model).Length;
        Assert.AreEqual(saved, plan.SavedByteLength, saved * 0.05);
    }

    [TestMethod]
    public void ShortNames_AreCIdentifiersInOrder_AndSkipTakenOnes()
    {
        var free = new ShortNames(n => n is "b" or "aa");
        string[] names = [.. Enumerable.Range(0, 4000).Select(_ => free.Next())];
        CollectionAssert.AreEqual(new[] { "a", "c", "d" }, names[..3]);
        CollectionAssert.AllItemsAreUnique(names);
        CollectionAssert.DoesNotContain(names, "aa");
        Assert.AreEqual("ab", names[51]);
        Assert.IsTrue(names.All(n => n.Length <= 3 && char.IsAsciiLetter(n[0]) && n.All(char.IsAsciiLetterOrDigit)));
        Assert.AreEqual(3, names[^1].Length);
    }

    private static TestModel Deep(int layers)
    {
        var m = new TestModel();
        var value = m.Input(Path + "image", 1, 8);
        for (int i = 0; i < layers; i++) value = Named(m, "Add", [value, m.Weight($"{Path}layer{i}/weight", 8)], i);
        m.Output(m.Graph.AddNode("Relu", [value], [Path + "result"], name: Path + "last/Relu").Outputs[0]!);
        return m;
    }

    private static Value Named(TestModel m, string opType, Value?[] inputs, int layer) =>
        m.Graph.AddNode(opType, inputs, [$"{Path}layer{layer}/{opType}:0"], name: $"{Path}layer{layer}/{opType}").Outputs[0]!;

    private static long TextOf(TestModel m) => m.Graph.Nodes.Sum(n => (long)n.Name.Length + n.Inputs.Concat(n.Outputs).Sum(v => v?.Name.Length ?? 0)) + m.Graph.Initializers.Sum(v => v.Name.Length);
}
