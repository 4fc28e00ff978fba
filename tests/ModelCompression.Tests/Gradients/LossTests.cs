using ModelCompression.Data;
using ModelCompression.Gradients;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Runtime.Training;
using ModelCompression.Testing;
using ModelCompression.Tests.Data;

namespace ModelCompression.Tests.Gradients;

/// <summary>Which loss an output gets.</summary>
[TestClass]
public sealed class LossTests
{
    [TestMethod]
    [DataRow("")]
    [DataRow("Softmax")]
    [DataRow("LogSoftmax")]
    public void Labels_GiveTheSameLossForScoresAndProbabilities(string last)
    {
        using var net = new Net(last, positions: false, "labels");
        double loss = net.Loss(TrainingLoss.Labels, out float[] gradient);
        using var plain = new Net("", positions: false, "labels");
        Assert.AreEqual(plain.Loss(TrainingLoss.Labels, out float[] expected), loss, 1e-5);
        for (int i = 0; i < gradient.Length; i++) Assert.AreEqual(expected[i], gradient[i], 1e-6);
    }

    [TestMethod]
    public void Labels_DoNotFitPositions()
    {
        using var net = new Net("Softmax", positions: true, "labels");
        Assert.AreEqual("MCB3017", Assert.ThrowsExactly<DiagnosticException>(() => net.Loss(TrainingLoss.Labels, out _)).Diagnostic.Code);
    }

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void Distillation_OfTheOriginalItself_HasNoGradient(bool positions)
    {
        using var net = new Net("Softmax", positions, null);
        double entropy = net.Loss(TrainingLoss.Distillation, out float[] gradient);
        Assert.IsGreaterThan(0.1, entropy);
        Assert.IsLessThan(1e-6, gradient.Max(Math.Abs));
    }

    [TestMethod]
    public void ExpectedOutputs_GiveTheMeanSquaredError()
    {
        using var net = new Net("", positions: false, "output:y");
        double loss = net.Loss(TrainingLoss.ExpectedOutputs, out float[] gradient);
        // y = x·w against zeros, mean over 4 samples of 3 outputs.
        double sum = 0;
        var slope = new double[net.Weights.Length];
        for (int n = 0; n < 4; n++)
        {
            for (int k = 0; k < 3; k++)
            {
                double y = Enumerable.Range(0, 2).Sum(i => (double)net.X[(n * 2) + i] * net.Weights[(i * 3) + k]);
                sum += y * y;
                for (int i = 0; i < 2; i++) slope[(i * 3) + k] += 2 * y * net.X[(n * 2) + i] / 12;
            }
        }

        Assert.AreEqual(sum / 12, loss, 1e-6);
        for (int i = 0; i < slope.Length; i++) Assert.AreEqual(slope[i], gradient[i], 1e-6);
    }

    /// <summary>y = last(x·w), x [N, 2] or with positions [N, 5, 2], w [2, 3].</summary>
    private sealed class Net : IDisposable
    {
        private readonly TemporaryFolder folder = new();
        private readonly Model model = new(new OnnxGraph("net")) { IrVersion = 8 };
        private readonly DataSet data;
        private readonly string path;

        public Net(string last, bool positions, string? targets)
        {
            model.OpsetImports[""] = 13;
            var random = new Random(9);
            Weights = [.. Enumerable.Range(0, 6).Select(_ => (float)(random.NextDouble() - 0.5))];
            X = [.. Enumerable.Range(0, positions ? 40 : 8).Select(_ => (float)random.NextDouble())];
            Dimension[] rows = positions ? [Dimension.OfSymbol("N"), 5] : [Dimension.OfSymbol("N")];
            var x = model.Graph.AddInput("x", new TensorType(DataType.Float, new Shape([.. rows, 2])));
            bool isLast = last.Length == 0;
            var y = model.Graph.AddNode("MatMul", [x, model.Graph.AddInitializer("w", Tensor.Float([2, 3], Weights))], [isLast ? "y" : "z"]).Outputs[0]!;
            if (!isLast) y = model.Graph.AddNode(last, [y], ["y"]).Outputs[0]!;
            y.Type = new TensorType(DataType.Float, new Shape([.. rows, 3]));
            model.Graph.AddOutput(y);
            path = Path.Combine(folder.Path, "net.onnx");
            OnnxWriter.Write(model, path);
            var arrays = new List<(string, byte[])> { ("x", ArrayFile.Floats(positions ? "4, 5, 2" : "4, 2", X)) };
            if (targets == "labels") arrays.Add(("labels", ArrayFile.Longs("4,", 0, 2, 1, 2)));
            else if (targets is not null) arrays.Add((targets, ArrayFile.Floats("4, 3", new float[12])));
            data = DataSet.Open([ArrayFile.Npz(Path.Combine(folder.Path, "data.npz"), [.. arrays])], ModelInterface.Of(model));
        }

        public float[] Weights { get; }

        public float[] X { get; }

        public double Loss(TrainingLoss loss, out float[] gradient)
        {
            using var runner = new GradientRunner(data, path, 1);
            using var session = runner.Open(model, [model.Graph.Initializers.Single()], loss);
            float[][] gradients = [new float[6]];
            double value = session.Run([0, 1, 2, 3], gradients);
            gradient = gradients[0];
            return value;
        }

        public void Dispose()
        {
            data.Dispose();
            model.Dispose();
            folder.Dispose();
        }
    }
}
