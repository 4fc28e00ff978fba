using Google.Protobuf;
using ModelCompression.Onnx.Serialization.Proto;
using static ModelCompression.Onnx.Serialization.Proto.AttributeProto.Types;

namespace ModelCompression.Onnx.Tests.Serialization;

/// <summary>Small models made of messages directly, so that the tests of reader and writer do not rest on either.</summary>
internal static class SampleModels
{
    /// <summary>y = Relu(x) on a vector.</summary>
    public static ModelProto Relu() => Wrap(new GraphProto
    {
        Name = "g",
        Input = { Info("x", 3) },
        Node = { Node("Relu", ["x"], ["y"]) },
        Output = { Info("y", 3) },
    });

    /// <summary>y = x + w with w as an initializer.</summary>
    public static ModelProto Add(TensorProto w) => Wrap(new GraphProto
    {
        Name = "g",
        Input = { Info("x", 3) },
        Initializer = { w },
        Node = { Node("Add", ["x", "w"], ["y"]) },
        Output = { Info("y", 3) },
    });

    /// <summary>A model with every message of the format in it, and unknown fields in most of them.</summary>
    public static ModelProto Everything()
    {
        var model = Wrap(MainGraph());
        model.IrVersion = 13;
        model.ProducerName = "tests";
        model.ProducerVersion = "";
        model.Domain = "org.example";
        model.ModelVersion = 0;
        model.DocString = "a model\nwith a text";
        model.OpsetImport.Add(new OperatorSetIdProto { Domain = "custom", Version = 3 });
        model.MetadataProps.Add(Entry("key", "value"));
        model.MetadataProps.Add(new StringStringEntryProto { Key = "no value" });
        model.TrainingInfo.Add(Training());
        model.Functions.Add(Function());
        model.Configuration.Add(new DeviceConfigurationProto { Name = "two", NumDevices = 2, Device = { "a", "b" } });
        return WithUnknownFields(model);
    }

    public static ModelProto Wrap(GraphProto graph) => new()
    {
        IrVersion = 8,
        OpsetImport = { new OperatorSetIdProto { Domain = "", Version = 17 } },
        Graph = graph,
    };

    public static NodeProto Node(string opType, string[] inputs, string[] outputs, params AttributeProto[] attributes) =>
        new() { OpType = opType, Name = opType + "_" + outputs[0], Input = { inputs }, Output = { outputs }, Attribute = { attributes } };

    public static ValueInfoProto Info(string name, params long[] dims)
    {
        var shape = new TensorShapeProto();
        foreach (long dim in dims) shape.Dim.Add(new TensorShapeProto.Types.Dimension { DimValue = dim });
        return new ValueInfoProto { Name = name, Type = new TypeProto { TensorType = new() { ElemType = 1, Shape = shape } } };
    }

    public static TensorProto Floats(string name, params float[] elements) =>
        new() { Name = name, DataType = 1, Dims = { elements.Length }, FloatData = { elements } };

    public static StringStringEntryProto Entry(string key, string value) => new() { Key = key, Value = value };

    private static GraphProto MainGraph() => new()
    {
        Name = "main",
        DocString = "graph text",
        Input = { Symbolic("x"), Info("w0", 2), Info("cond") },
        Initializer =
        {
            new TensorProto { Name = "w0", DataType = 1, Dims = { 2 }, RawData = ByteString.CopyFrom(1, 2, 3, 4, 5, 6, 7, 8), DocString = "weights", MetadataProps = { Entry("a", "b") } },
            new TensorProto { Name = "half", DataType = 10, Dims = { 2 }, Int32Data = { 0x3C00, 0xBC00 } },
            new TensorProto { Name = "nibbles", DataType = 22, Dims = { 3 }, Int32Data = { 0x21, 0x0F } },
            new TensorProto { Name = "text", DataType = 8, Dims = { 2 }, StringData = { ByteString.CopyFromUtf8("ab"), ByteString.Empty } },
            Floats("scalar2", 7, 8),
            new TensorProto { Name = "empty", DataType = 1, Dims = { 0, 4 } },
            new TensorProto { Name = "scalar", DataType = 7, Int64Data = { -1 } },
        },
        SparseInitializer = { Sparse("sparse") },
        Node =
        {
            new NodeProto
            {
                OpType = "Custom", Domain = "custom", Name = "", Overload = "", DocString = "node text", Input = { "x", "", "w0", "" }, Output = { "c", "", "c2" },
                Attribute = { AllAttributes() }, MetadataProps = { Entry("n", "m") }, DeviceConfigurations = { Device() },
            },
            Node("If", ["cond"], ["i"], Subgraph("then_branch", Branch("t", "half", "c")), Subgraph("else_branch", Branch("e", "nibbles", "c2"))),
            new NodeProto { OpType = "Twice", Domain = "custom", Overload = "float", Input = { "i" }, Output = { "y" } },
        },
        Output = { Symbolic("y"), Info("w0", 2), Info("c2", 1) },
        ValueInfo = { Info("c", 5), Info("scalar2", 2), Info("nowhere", 1) },
        QuantizationAnnotation = { new TensorAnnotation { TensorName = "c", QuantParameterTensorNames = { Entry("SCALE_TENSOR", "scalar") } } },
        MetadataProps = { Entry("g", "h") },
    };

    private static IEnumerable<AttributeProto> AllAttributes() =>
    [
        new() { Name = "f", Type = AttributeType.Float, F = 1.5f, DocString = "attribute text" },
        new() { Name = "nan", Type = AttributeType.Float, F = float.NaN },
        new() { Name = "no_value", Type = AttributeType.Int },
        new() { Name = "i", I = 0 },
        new() { Name = "s", Type = AttributeType.String, S = ByteString.CopyFrom(0xFF, 0x00) },
        new() { Name = "t", Type = AttributeType.Tensor, T = Floats("inner", 1, 2) },
        new() { Name = "sp", Type = AttributeType.SparseTensor, SparseTensor = Sparse("") },
        new() { Name = "tp", Type = AttributeType.TypeProto, Tp = Composite() },
        new() { Name = "fs", Type = AttributeType.Floats, Floats = { 1, 2 } },
        new() { Name = "is", Type = AttributeType.Ints },
        new() { Name = "ss", Type = AttributeType.Strings, Strings = { ByteString.CopyFromUtf8("a") } },
        new() { Name = "ts", Type = AttributeType.Tensors, Tensors = { Floats("", 3), new TensorProto { DataType = 11, Dims = { 1 }, DoubleData = { 2.5 } } } },
        new() { Name = "gs", Type = AttributeType.Graphs, Graphs = { Branch("g1", "w0", "x"), Branch("g2", "half", "x") } },
        new() { Name = "sps", Type = AttributeType.SparseTensors, SparseTensors = { Sparse("") } },
        new() { Name = "tps", Type = AttributeType.TypeProtos, TypeProtos = { Composite() } },
    ];

    private static TypeProto Composite() => new()
    {
        Denotation = "D",
        MapType = new()
        {
            KeyType = 7,
            ValueType = new()
            {
                SequenceType = new() { ElemType = new() { OptionalType = new() { ElemType = new() { SparseTensorType = new() { ElemType = 1, Shape = new() } } } } },
            },
        },
    };

    private static ValueInfoProto Symbolic(string name) => new()
    {
        Name = name,
        DocString = "",
        MetadataProps = { Entry("v", "w") },
        Type = new()
        {
            TensorType = new()
            {
                ElemType = 1,
                Shape = new() { Dim = { new TensorShapeProto.Types.Dimension { DimParam = "N", Denotation = "DATA_BATCH" }, new TensorShapeProto.Types.Dimension(), new TensorShapeProto.Types.Dimension { DimValue = 0 } } },
            },
        },
    };

    private static SparseTensorProto Sparse(string name) => new()
    {
        Values = new TensorProto { Name = name, DataType = 1, Dims = { 2 }, FloatData = { 5, 6 } },
        Indices = new TensorProto { DataType = 7, Dims = { 2, 2 }, Int64Data = { 0, 1, 2, 0 } },
        Dims = { 3, 4 },
    };

    private static AttributeProto Subgraph(string name, GraphProto graph) => new() { Name = name, Type = AttributeType.Graph, G = graph };

    /// <summary>A body that has a constant of its own and captures two outer values.</summary>
    private static GraphProto Branch(string prefix, string captured, string other) => new()
    {
        Name = prefix,
        Initializer = { new TensorProto { Name = prefix + "_w", DataType = 13, Dims = { 1 }, Uint64Data = { ulong.MaxValue } } },
        Node =
        {
            new NodeProto { OpType = "Custom", Domain = "custom", Input = { prefix + "_w", captured, other }, Output = { prefix + "_a" } },
            Node("Identity", [prefix + "_a"], [prefix + "_b"]),
        },
        Output = { new ValueInfoProto { Name = prefix + "_b" } },
    };

    private static FunctionProto Function() => new()
    {
        Name = "Twice",
        Domain = "custom",
        Overload = "float",
        Input = { "a" },
        Output = { "b" },
        Attribute = { "alpha" },
        AttributeProto = { new AttributeProto { Name = "beta", Type = AttributeType.Tensor, T = Floats("", 4) } },
        Node =
        {
            Node("Constant", [], ["k"], new AttributeProto { Name = "value", Type = AttributeType.Tensor, RefAttrName = "beta" }),
            Node("Elu", ["a"], ["e"], new AttributeProto { Name = "alpha", Type = AttributeType.Float, RefAttrName = "alpha" }),
            Node("Mul", ["e", "k"], ["b"]),
        },
        OpsetImport = { new OperatorSetIdProto { Version = 17 } },
        ValueInfo = { Info("e", 1), Info("a", 1), Info("b", 1), Info("nothing", 1) },
        DocString = "function text",
        MetadataProps = { Entry("f", "") },
    };

    private static TrainingInfoProto Training() => new()
    {
        Algorithm = new GraphProto { Name = "train", Node = { Node("Mul", ["w0", "rate"], ["w0_new"]) }, Initializer = { Floats("rate", 0.5f) }, Output = { Info("w0_new", 2) } },
        UpdateBinding = { Entry("half", "w0_new") },
    };

    private static NodeDeviceConfigurationProto Device() => new()
    {
        ConfigurationId = "two",
        PipelineStage = 0,
        ShardingSpec =
        {
            new ShardingSpecProto
            {
                TensorName = "w0", Device = { 0, -1 }, IndexToDeviceGroupMap = { new IntIntListEntryProto { Key = -1, Value = { 0, 1 } } },
                ShardedDim = { new ShardedDimProto { Axis = 0, SimpleSharding = { new SimpleShardedDimProto { DimParam = "N", NumShards = 2 } } } },
            },
        },
    };

    /// <summary>Adds a field that no version of the format has to a message of each kind.</summary>
    private static ModelProto WithUnknownFields(ModelProto model)
    {
        byte[] field = [0xFA, 0x3E, 2, 0xAB, 0xCD, 0x81, 0x3F, 1, 2, 3, 4, 5, 6, 7, 8];
        foreach (var message in new IMessage[]
        {
            model.OpsetImport[0], model.MetadataProps[0], model.Functions[0].Node[2], model.Functions[0], model.Graph.Input[0].Type.TensorType.Shape.Dim[0],
            model.Graph.Input[0], model.Graph.Initializer[0], model.Graph.Initializer[6], model.Graph.SparseInitializer[0].Indices, model.Graph.SparseInitializer[0],
            model.Graph.Node[0].Attribute[5].T, model.Graph.Node[0].Attribute[5], model.Graph.Node[0], model.Graph.Node[1].Attribute[0].G, model.Graph.ValueInfo[0],
            model.TrainingInfo[0], model.Graph, model,
        })
            message.MergeFrom(field);
        return model;
    }
}
