using System.IO.Compression;
using ModelCompression.Data;
using ModelCompression.Data.Arrays;
using ModelCompression.Gradients;
using ModelCompression.Numerics.Products;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Runtime.Training;
using ModelCompression.Testing;

namespace ModelCompression.Tests.Gradients;

/// <summary>Whole networks against PyTorch's autograd in binary64 (Reference/make_reference.py). MODELCOMPRESSION_GRADIENT_REFERENCES may name a folder with more of them.</summary>
[TestClass]
public sealed class GradientReferenceTests
{
    /// <summary>Relative to the weight's largest gradient. Sums of n binary32 products are off by some √n·6e-8.</summary>
    private const double Tolerance = 1e-4;

    private static string Folder => Path.Combine(RepositoryPaths.Root, "tests", "ModelCompression.Tests", "Gradients", "Reference");

    public static IEnumerable<object[]> References => new[] { Folder, Environment.GetEnvironmentVariable("MODELCOMPRESSION_GRADIENT_REFERENCES") }
        .Where(f => f is not null).SelectMany(f => Directory.EnumerateFiles(f!, "*.npz").Order(StringComparer.Ordinal)).Select(f => new object[] { f });

    [TestMethod]
    [DynamicData(nameof(References))]
    public void Gradients_EqualAutograd(string reference)
    {
        string path = Path.ChangeExtension(reference, ".onnx");
        if (!File.Exists(path)) path = Path.Combine(RepositoryPaths.Root, "samples", "FashionClassifier", "Models", "fashion.onnx");
        using var folder = new TemporaryFolder();
        using var model = OnnxReader.Read(path);
        using var data = DataSet.Open([DataOnly(reference, Path.Combine(folder.Path, "data.npz"))], ModelInterface.Of(model));
        using var expected = ArrayCollection.OpenNpz(reference);
        var arrays = expected.Arrays.Where(a => a.Name.StartsWith("gradient:", StringComparison.Ordinal)).ToDictionary(a => a.Name[9..], a => a.ReadAll().AsSpan<double>().ToArray());
        double loss = expected.Arrays.Single(a => a.Name == "loss").ReadAll().AsSpan<double>()[0];
        var weights = model.Graph.Initializers.Where(i => arrays.ContainsKey(i.Name)).ToArray();
        Assert.IsGreaterThan(5, weights.Length);
        double overall = arrays.Values.Max(a => a.Max(Math.Abs));
        Assert.IsGreaterThan(1e-3, overall);
        using var runner = new GradientRunner(data, path, 2);
        foreach (bool asInputs in new[] { false, true })
        {
            var current = weights.Select(w => w.Initializer!.AsSpan<float>().ToArray()).ToArray();
            using var session = runner.Open(model, weights, TrainingLoss.Labels, asInputs ? current : null);
            var gradients = current.Select(c => new float[c.Length]).ToArray();
            Assert.AreEqual(loss, session.Run([.. Enumerable.Range(0, data.Count)], gradients), 1e-5 * Math.Max(1, loss));
            for (int i = 0; i < weights.Length; i++)
            {
                double[] truth = arrays[weights[i].Name];
                int step = ((gradients[i].Length + 1023) / 1024) | 1;
                double largest = truth.Max(Math.Abs);
                double error = truth.Select((t, k) => Math.Abs(t - gradients[i][k * step])).Max();
                // Some gradients are zero by symmetry (a bias before a softmax over positions).
                Assert.IsLessThan(Tolerance * Math.Max(largest, 1e-3 * overall), error, weights[i].Name);
            }
        }
    }

    [TestMethod]
    [DynamicData(nameof(References))]
    public void Factors_GiveTheSameGradients(string reference)
    {
        string path = Path.ChangeExtension(reference, ".onnx");
        if (!File.Exists(path)) path = Path.Combine(RepositoryPaths.Root, "samples", "FashionClassifier", "Models", "fashion.onnx");
        using var folder = new TemporaryFolder();
        using var model = OnnxReader.Read(path);
        using var data = DataSet.Open([DataOnly(reference, Path.Combine(folder.Path, "data.npz"))], ModelInterface.Of(model));
        using var runner = new GradientRunner(data, path, 2);
        int[] feeds = [.. Enumerable.Range(0, data.Count)];
        var weights = model.Graph.Initializers.Where(i => i.Initializer is { Rank: > 1, DataType: Onnx.Tensors.DataType.Float }).ToArray();
        int[] lengths = [.. weights.Select(w => (int)w.Initializer!.ElementCount)];
        var expected = lengths.Select(l => new float[l]).ToArray();
        using var plain = runner.Open(model, weights, TrainingLoss.Labels);
        double loss = plain.Run(feeds, expected);
        using var session = runner.Open(model, weights, TrainingLoss.Labels, splitsMatrices: true);
        var gradients = new MiniBatchGradients(lengths);
        for (int turn = 0; turn < 2; turn++) Assert.AreEqual(loss, session.Collect(feeds, gradients), 1e-6 * Math.Max(1, loss));
        for (int i = 0; i < weights.Length; i++)
        {
            float[] actual = gradients.Array(i);
            if (gradients.Factors(i) is { } factors) RowProducts.Add(factors.Left, factors.Right, actual);
            double largest = expected[i].Max(Math.Abs);
            Assert.IsLessThanOrEqualTo(1e-5 * largest, expected[i].Zip(actual, (e, a) => Math.Abs(e - a)).Max(), weights[i].Name);
        }
    }

    [TestMethod]
    [DynamicData(nameof(References))]
    public void Gates_EqualWeightsTimesGradients(string reference)
    {
        string path = Path.ChangeExtension(reference, ".onnx");
        if (!File.Exists(path)) path = Path.Combine(RepositoryPaths.Root, "samples", "FashionClassifier", "Models", "fashion.onnx");
        using var folder = new TemporaryFolder();
        using var model = OnnxReader.Read(path);
        using var data = DataSet.Open([DataOnly(reference, Path.Combine(folder.Path, "data.npz"))], ModelInterface.Of(model));
        using var runner = new GradientRunner(data, path, 1);
        int[] feeds = [.. Enumerable.Range(0, data.Count)];
        var weights = model.Graph.Initializers.Where(i => i.Initializer is { Rank: > 1, DataType: Onnx.Tensors.DataType.Float }).ToArray();
        var gradients = weights.Select(w => new float[w.Initializer!.ElementCount]).ToArray();
        using (var session = runner.Open(model, weights, TrainingLoss.Labels)) session.Run(feeds, gradients);
        // One axis at a time is the way of the channel scores, all axes at once the general one.
        foreach (int axes in new[] { 0b01, 0b10, 0b11 })
        {
            var wanted = weights.SelectMany((w, i) => Enumerable.Range(0, 2).Where(a => (axes >> a & 1) != 0).Select(a => (Weight: w, Axis: a, Gradient: gradients[i]))).ToArray();
            var gates = wanted.Select(g => new float[g.Weight.Initializer!.Dims[g.Axis]]).ToArray();
            using var session = runner.Open(model, [.. wanted.Select(g => g.Weight)], TrainingLoss.Labels, gateAxes: [.. wanted.Select(g => (int?)g.Axis)]);
            session.Run(feeds, gates);
            for (int g = 0; g < wanted.Length; g++) AssertGates(wanted[g].Weight.Name, wanted[g].Weight.Initializer!, wanted[g].Axis, wanted[g].Gradient, gates[g]);
        }
    }

    private static void AssertGates(string name, Onnx.Tensors.Tensor weight, int axis, float[] gradient, float[] gates)
    {
        long inner = 1;
        for (int a = axis + 1; a < weight.Rank; a++) inner *= weight.Dims[a];
        var sums = new double[gates.Length];
        var sizes = new double[gates.Length];
        var w = weight.AsSpan<float>();
        for (int i = 0; i < gradient.Length; i++)
        {
            int position = (int)(i / inner % gates.Length);
            sums[position] += (double)w[i] * gradient[i];
            sizes[position] += Math.Abs((double)w[i] * gradient[i]);
        }

        // Both are sums of binary32 products in different orders; terms cancel, so the error is relative to the largest sum of sizes.
        Assert.IsGreaterThan(0, sizes.Max(), name);
        for (int p = 0; p < gates.Length; p++) Assert.AreEqual(sums[p], gates[p], 1e-4 * sizes.Max(), $"{name} axis {axis} position {p}");
    }

    /// <summary>The input and the labels of a reference.</summary>
    private static string DataOnly(string reference, string path)
    {
        using var from = ZipFile.OpenRead(reference);
        using var to = ZipFile.Open(path, ZipArchiveMode.Create);
        foreach (var entry in from.Entries.Where(e => e.Name != "loss.npy" && !e.FullName.StartsWith("gradient:", StringComparison.Ordinal)))
        {
            using var source = entry.Open();
            using var target = to.CreateEntry(entry.FullName, CompressionLevel.NoCompression).Open();
            source.CopyTo(target);
        }

        return path;
    }
}
