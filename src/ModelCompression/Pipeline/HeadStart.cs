using System.Runtime.CompilerServices;
using ModelCompression.Analysis;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;

namespace ModelCompression.Pipeline;

/// <summary>Prepares what every run needs first, on a core that has nothing else to do while a process starts.</summary>
/// <remarks>
/// The first use of the message types, the reader, the shape rules and the option schema costs more than the work itself does for a small model: types are
/// loaded and methods bound one by one. A model of one node takes the same ways as any other. Nothing it makes is kept, and whoever comes meanwhile shares what is ready.
/// </remarks>
public static class HeadStart
{
    /// <summary>Begins and returns at once.</summary>
    /// <returns>Its end, which nobody need wait for.</returns>
    public static Task Begin() => Task.Run(Prepare);

    private static void Prepare()
    {
        RuntimeHelpers.RunClassConstructor(typeof(OptionSchema).TypeHandle);
        using var model = OnnxReader.Read(OnnxWriter.ToBytes(Smallest()));
        _ = GraphVerifier.Verify(model);
        _ = ShapeInference.Run(model);
    }

    private static Model Smallest()
    {
        var graph = new OnnxGraph("main");
        var model = new Model(graph) { IrVersion = 8 };
        model.OpsetImports[""] = 17;
        var x = graph.AddInput("x", new TensorType(DataType.Float, new Shape([Dimension.OfSymbol("n"), Dimension.Of(2)])));
        var weight = graph.AddInitializer("w", Tensor.Float([2, 1], 1f, 2f));
        graph.AddOutput(graph.AddNode("Gemm", [x, weight], ["y"], [NodeAttribute.Of("transB", 0L)]).Outputs[0]!);
        return model;
    }
}
