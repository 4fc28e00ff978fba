using ModelCompression.Data;
using ModelCompression.Gradients;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Runtime.Training;
using ModelCompression.Testing;
using ModelCompression.Tests.Data;

namespace ModelCompression.Tests.Gradients;

/// <summary>Six random pictures of 3×12×12 with labels, and what computes gradients of a network over them.</summary>
internal sealed class SmallPictures : IDisposable
{
    public const int Count = 6;

    private readonly TemporaryFolder folder = new();
    private readonly DataSet data;

    /// <summary>Takes a network with input <c>x</c>.</summary>
    public SmallPictures(Model model)
    {
        string path = Path.Combine(folder.Path, "net.onnx");
        OnnxWriter.Write(model, path);
        var random = new Random(3);
        float[] x = [.. Enumerable.Range(0, Count * 3 * 12 * 12).Select(_ => random.NextSingle() - 0.5f)];
        string npz = ArrayFile.Npz(Path.Combine(folder.Path, "data.npz"), [("x", ArrayFile.Floats($"{Count}, 3, 12, 12", x)), ("labels", ArrayFile.Longs($"{Count},", 0, 1, 2, 3, 1, 2))]);
        data = DataSet.Open([npz], ModelInterface.Of(model));
        Runner = new GradientRunner(data, path, 1);
    }

    public GradientRunner Runner { get; }

    /// <summary>All pictures.</summary>
    public int[] Feeds { get; } = [.. Enumerable.Range(0, Count)];

    /// <summary>The graph that computes gradients of weights over one batch of all pictures.</summary>
    public static GradientGraph GraphOf(Model model, Value[] weights) =>
        GradientGraph.Build(model, new GradientRequest(weights, GradientLossKind.CrossEntropy, new Dictionary<string, Shape> { ["x"] = Shape.Of(Count, 3, 12, 12) }) { Factors = FactorForm.All });

    /// <summary>Fails unless gradients are the same sums of some hundred products in another order.</summary>
    public static void AssertSame(Value[] weights, float[][] expected, float[][] actual)
    {
        for (int i = 0; i < weights.Length; i++)
        {
            float largest = expected[i].Max(Math.Abs);
            Assert.IsGreaterThan(0, largest, weights[i].Name);
            Assert.IsLessThan(1e-5 * largest, expected[i].Zip(actual[i], (e, a) => Math.Abs(e - a)).Max(), weights[i].Name);
        }
    }

    public void Dispose()
    {
        Runner.Dispose();
        data.Dispose();
        folder.Dispose();
    }
}
