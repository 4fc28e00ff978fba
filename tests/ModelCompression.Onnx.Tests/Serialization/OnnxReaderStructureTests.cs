using Google.Protobuf;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Serialization.Proto;
using static ModelCompression.Onnx.Tests.Serialization.SampleModels;

namespace ModelCompression.Onnx.Tests.Serialization;

[TestClass]
public class OnnxReaderStructureTests
{
    [TestMethod]
    public void NoGraph_IsRefused() => Assert.AreEqual("MCB2002", BadInput.Refused(new ModelProto { IrVersion = 8 }).Code);

    [TestMethod]
    public void NoBytes_IsRefused() => Assert.AreEqual("MCB2002", BadInput.Refused([]).Code);

    [TestMethod]
    public void NewerIrVersion_IsReadWithAWarning()
    {
        var proto = Relu();
        proto.IrVersion = 14;
        using var model = OnnxReader.Read(proto.ToByteArray());
        Assert.AreEqual(14, model.IrVersion);
        Assert.AreEqual(("MCB2005", DiagnosticSeverity.Warning), (model.Notes.Single().Code, model.Notes.Single().Severity));
    }

    [TestMethod]
    public void UnknownInput_IsRefusedByNodeAndTensor()
    {
        var proto = Relu();
        proto.Graph.Node[0].Input[0] = "ghost";
        var diagnostic = BadInput.Refused(proto);
        Assert.AreEqual("MCB2007", diagnostic.Code);
        Assert.Contains("Relu_y", diagnostic.Message);
        Assert.Contains("'ghost'", diagnostic.Message);
    }

    [TestMethod]
    public void ValueOfASiblingSubgraph_IsNotVisible()
    {
        var proto = Relu();
        proto.Graph.Node.Insert(0, If("a", "b"));
        proto.Graph.Node[0].Attribute[1].G.Node[0].Input[0] = "a";
        Assert.AreEqual("MCB2007", BadInput.Refused(proto).Code);
    }

    [TestMethod]
    public void FunctionBody_DoesNotSeeTheMainGraph()
    {
        var proto = Relu();
        proto.Functions.Add(new FunctionProto { Name = "F", Domain = "f", Output = { "z" }, Node = { Node("Relu", ["x"], ["z"]) } });
        Assert.AreEqual("MCB2007", BadInput.Refused(proto).Code);
    }

    [TestMethod]
    public void NameDefinedTwice_IsRefused()
    {
        var twice = Relu();
        twice.Graph.Node.Add(Node("Abs", ["x"], ["y"]));
        var overInput = Relu();
        overInput.Graph.Node.Add(Node("Abs", ["y"], ["x"]));
        var initializers = Add(Floats("w", 1, 2, 3));
        initializers.Graph.Initializer.Add(Floats("w", 1, 2, 3));
        var inputs = Relu();
        inputs.Graph.Input.Add(Info("x", 3));
        foreach (var proto in new[] { twice, overInput, initializers, inputs })
        {
            var diagnostic = BadInput.Refused(proto);
            Assert.AreEqual("MCB2008", diagnostic.Code);
        }
    }

    [TestMethod]
    public void InitializerWithoutName_IsRefused() => Assert.AreEqual("MCB2008", BadInput.Refused(Add(Floats("", 1))).Code);

    [TestMethod]
    public void Cycle_IsRefusedByItsNodes()
    {
        var proto = Relu();
        proto.Graph.Node.Add([Node("Add", ["x", "c"], ["a"]), Node("Abs", ["a"], ["b"]), Node("Neg", ["b"], ["c"]), Node("Exp", ["c"], ["d"])]);
        var diagnostic = BadInput.Refused(proto);
        Assert.AreEqual("MCB2009", diagnostic.Code);
        foreach (string name in new[] { "Add_a", "Abs_b", "Neg_c" }) Assert.Contains(name, diagnostic.Message);
        Assert.DoesNotContain("Exp_d", diagnostic.Message);
    }

    [TestMethod]
    public void SubgraphThatUsesItsOwnNodesOutput_IsACycle()
    {
        var proto = Relu();
        proto.Graph.Node.Insert(0, If("a", "b"));
        proto.Graph.Node[0].Attribute[0].G.Node[0].Input[0] = "if_out";
        Assert.AreEqual("MCB2009", BadInput.Refused(proto).Code);
    }

    [TestMethod]
    public void NodesOutOfOrder_AreSortedAndReported()
    {
        var proto = Relu();
        proto.Graph.Node.Insert(0, Node("Abs", ["y"], ["z"]));
        proto.Graph.Node.Insert(0, Node("Neg", ["z"], ["q"]));
        using var model = OnnxReader.Read(proto.ToByteArray());
        CollectionAssert.AreEqual(new[] { "Relu", "Abs", "Neg" }, model.Graph.Nodes.Select(n => n.OpType).ToArray());
        Assert.AreEqual("MCB2017", model.Notes.Single().Code);
    }

    [TestMethod]
    public void SubgraphMayUseAValueThatTheFileDefinesLater()
    {
        var proto = Relu();
        proto.Graph.Node.Insert(0, If("a", "b"));
        proto.Graph.Node[0].Attribute[0].G.Node[0].Input[0] = "y";
        using var model = OnnxReader.Read(proto.ToByteArray());
        Assert.AreEqual("Relu", model.Graph.Nodes[0].OpType);
        Assert.HasCount(1, model.Graph.Nodes[0].Outputs[0]!.Uses);
    }

    [TestMethod]
    public void OutputThatNothingDefines_IsRefused()
    {
        var proto = Relu();
        proto.Graph.Output.Add(Info("ghost", 1));
        var diagnostic = BadInput.Refused(proto);
        Assert.AreEqual("MCB2010", diagnostic.Code);
        Assert.Contains("'ghost'", diagnostic.Message);
    }

    [TestMethod]
    public void DamagedAttributesAndNodes_AreRefused()
    {
        var unnamed = Relu();
        unnamed.Graph.Node[0].Attribute.Add(new AttributeProto { I = 1 });
        var twice = Relu();
        twice.Graph.Node[0].Attribute.Add([new AttributeProto { Name = "a", I = 1 }, new AttributeProto { Name = "a", I = 2 }]);
        var empty = Relu();
        empty.Graph.Node[0].Attribute.Add(new AttributeProto { Name = "t", Type = AttributeProto.Types.AttributeType.Tensor });
        var kind = Relu();
        kind.Graph.Node[0].Attribute.Add(new AttributeProto { Name = "t", Type = (AttributeProto.Types.AttributeType)99 });
        var noOperator = Relu();
        noOperator.Graph.Node[0].ClearOpType();
        foreach (var proto in new[] { unnamed, twice, empty, kind, noOperator }) Assert.AreEqual("MCB2016", BadInput.Refused(proto).Code);
    }

    [TestMethod]
    public void NestingThatOnnxRuntimeLoads_IsRead()
    {
        using var model = OnnxReader.Read(Nested(30).ToByteArray());
        Assert.AreEqual(31, model.Graph.SelfAndSubgraphs().Count());
    }

    [TestMethod]
    [DataRow(40)]
    [DataRow(2_000)]
    public void SubgraphsNestedTooDeep_AreRefused(int depth) => Assert.AreEqual("MCB2006", BadInput.Refused(NestedBytes(depth)).Code);

    [TestMethod]
    public void TypesNestedTooDeep_AreRefused()
    {
        byte[] type = [];
        for (int i = 0; i < 2_000; i++) type = [0x4A, .. Prefixed([0x0A, .. Prefixed(type)])];
        byte[] info = [0x12, .. Prefixed(type)];
        Assert.AreEqual("MCB2003", BadInput.Refused([0x3A, .. Prefixed([0x5A, .. Prefixed(info)])]).Code);
    }

    [TestMethod]
    public void GroupsNestedTooDeep_AreRefused()
    {
        byte[] groups = [.. Enumerable.Repeat((byte)0xFB, 100_000).Select((b, i) => i % 2 == 0 ? b : (byte)0x3E)];
        Assert.AreEqual("MCB2006", BadInput.Refused([.. Relu().ToByteArray(), .. groups]).Code);
    }

    [TestMethod]
    public void NameThatIsNotUtf8_IsRefused()
    {
        byte[] bytes = Relu().ToByteArray();
        int at = bytes.AsSpan().IndexOf("Relu_y"u8);
        bytes[at] = 0xFF;
        Assert.AreEqual("MCB2003", BadInput.Refused(bytes).Code);
    }

    [TestMethod]
    public void NamesInEveryScript_AreKept()
    {
        var proto = Relu();
        proto.Graph.Node[0].Name = "\u0130\u65e5\U0001F600\uFFFD";
        using var model = OnnxReader.Read(proto.ToByteArray());
        Assert.AreEqual(proto.Graph.Node[0].Name, model.Graph.Nodes[0].Name);
        Assert.IsEmpty(MessageComparer.Compare(proto.ToByteArray(), OnnxWriter.ToBytes(model)));
    }

    /// <summary>An If whose branches both compute Abs of x.</summary>
    private static NodeProto If(string thenName, string elseName) => Node("If", ["x"], ["if_out"], Branch("then_branch", thenName), Branch("else_branch", elseName));

    private static AttributeProto Branch(string attribute, string name) => new()
    {
        Name = attribute,
        Type = AttributeProto.Types.AttributeType.Graph,
        G = new GraphProto { Name = name, Node = { Node("Abs", ["x"], [name]) }, Output = { new ValueInfoProto { Name = name } } },
    };

    private static ModelProto Nested(int depth)
    {
        var inner = new GraphProto { Name = "inner", Node = { Node("Abs", ["x"], ["deep"]) }, Output = { new ValueInfoProto { Name = "deep" } } };
        for (int i = 0; i < depth; i++)
        {
            string name = FormattableString.Invariant($"v{i}");
            var node = Node("Loop", ["x"], [name], new AttributeProto { Name = "body", Type = AttributeProto.Types.AttributeType.Graph, G = inner });
            inner = new GraphProto { Name = name, Node = { node }, Output = { new ValueInfoProto { Name = name } } };
        }

        inner.Input.Add(Info("x", 1));
        return Wrap(inner);
    }

    private static byte[] NestedBytes(int depth)
    {
        byte[] graph = [];
        for (int i = 0; i < depth; i++) graph = [0x0A, .. Prefixed([0x2A, .. Prefixed([0x32, .. Prefixed(graph)])])];
        return [0x3A, .. Prefixed(graph)];
    }

    private static byte[] Prefixed(byte[] content)
    {
        using var stream = new MemoryStream();
        using (var output = new CodedOutputStream(stream, leaveOpen: true)) output.WriteLength(content.Length);
        return [.. stream.ToArray(), .. content];
    }
}
