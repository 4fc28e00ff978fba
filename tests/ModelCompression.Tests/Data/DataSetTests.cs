using ModelCompression.Data;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Testing;
using static ModelCompression.Tests.Data.ArrayFile;

namespace ModelCompression.Tests.Data;

[TestClass]
public sealed class DataSetTests
{
    private static readonly ModelPort Scores = Port("scores", DataType.Float, Dimension.OfSymbol("N"), 3);

    private static ModelInterface OneInput(params Dimension[] dims) => new([Port("x", DataType.Float, dims)], [Scores]);

    [TestMethod]
    public void Read_OneSample_HasBatchSizeOne()
    {
        using var folder = new TemporaryFolder();
        string path = Npz(folder.Combine("d.npz"), ("x", Floats("2, 2", 1, 2, 3, 4)), ("labels", Longs("2,", 2, 0)), ("output:scores", Floats("2, 3", 1, 2, 3, 4, 5, 6)));
        using var data = DataSet.Open([path], OneInput(Dimension.OfSymbol("N"), 2));
        Assert.AreEqual(2, data.Count);
        Assert.AreEqual(2, data.RowCount);
        CollectionAssert.AreEqual(new[] { "scores" }, data.ExpectedOutputs.ToArray());
        var sample = data.Read(1);
        CollectionAssert.AreEqual(new[] { 3f, 4 }, Values(sample.Inputs[0]));
        CollectionAssert.AreEqual(new long[] { 1, 2 }, TensorOf(sample.Inputs[0]).Dims.ToArray());
        CollectionAssert.AreEqual(new long[] { 0 }, sample.Labels.ToArray());
        CollectionAssert.AreEqual(new[] { 4f, 5, 6 }, Values(sample.ExpectedOutputs[0]));
    }

    [TestMethod]
    public void Read_FixedBatch_FillsUpTheLastOne()
    {
        using var folder = new TemporaryFolder();
        string path = Npz(folder.Combine("d.npz"), ("x", Floats("3, 1", 1, 2, 3)), ("labels", Longs("3,", 0, 1, 2)), ("output:scores", Floats("3, 3", 1, 2, 3, 4, 5, 6, 7, 8, 9)));
        using var data = DataSet.Open([path], OneInput(2, 1));
        Assert.AreEqual(2, data.Count);
        Assert.AreEqual(3, data.RowCount);
        var last = data.Read(1);
        CollectionAssert.AreEqual(new[] { 3f, 3 }, Values(last.Inputs[0]));
        Assert.AreEqual(1, last.RowCount);
        CollectionAssert.AreEqual(new long[] { 2 }, last.Labels.ToArray());
        CollectionAssert.AreEqual(new[] { 7f, 8, 9 }, Values(last.ExpectedOutputs[0]));
    }

    [TestMethod]
    public void Read_IntoTheSameMemory_GivesTheSameSamples()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder.Combine("f"));
        string npz = Npz(folder.Combine("d.npz"), ("x", Floats("3, 2", 1, 2, 3, 4, 5, 6)), ("output:scores", Floats("3, 3", 1, 2, 3, 4, 5, 6, 7, 8, 9)));
        File.WriteAllBytes(folder.Combine("f/1.npy"), Floats("2,", 7, 8));
        File.WriteAllBytes(folder.Combine("f/2.npy"), Floats("2,", 9, 10));
        using var data = DataSet.Open([npz, folder.Combine("f")], OneInput(Dimension.OfSymbol("N"), 2));
        var buffers = new SampleBuffers();
        for (int i = 0; i < data.Count; i++)
        {
            Sample own = data.Read(i), shared = data.Read(i, buffers);
            CollectionAssert.AreEqual(Values(own.Inputs[0]), Values(shared.Inputs[0]));
            CollectionAssert.AreEqual(own.ExpectedOutputs.SelectMany(Values).ToArray(), shared.ExpectedOutputs.SelectMany(Values).ToArray());
        }

        var last = data.Read(1, buffers);
        data.Read(0, buffers);
        CollectionAssert.AreEqual(new[] { 1f, 2 }, Values(last.Inputs[0]), "it is one memory");
    }

    [TestMethod]
    public void Read_InputsWithoutBatchAxis_AreStacked()
    {
        var model = new ModelInterface([Port("x", DataType.Float, 1, Dimension.Unknown), Port("state", DataType.Float, 2, 1, 1), Port("sr", DataType.Int64)], [Scores]);
        using var folder = new TemporaryFolder();
        string path = Npz(folder.Combine("d.npz"), ("x", Floats("2, 2", 1, 2, 3, 4)), ("state", Floats("2, 2, 1, 1", 5, 6, 7, 8)), ("sr", Longs("", 16000)));
        using var data = DataSet.Open([path], model);
        var sample = data.Read(1);
        CollectionAssert.AreEqual(new long[] { 2, 1, 1 }, TensorOf(sample.Inputs[1]).Dims.ToArray());
        CollectionAssert.AreEqual(new[] { 7f, 8 }, Values(sample.Inputs[1]));
        Assert.AreEqual(0, TensorOf(sample.Inputs[2]).Rank);
    }

    [TestMethod]
    public void Open_OneUnlabelledArray_MayHaveAnyName()
    {
        using var folder = new TemporaryFolder();
        using var data = DataSet.Open([Npz(folder.Combine("d.npz"), ("arr_0", Floats("2, 2", 1, 2, 3, 4)))], OneInput(Dimension.Unknown, 2));
        Assert.AreEqual("x", data.Read(0).Inputs[0].Name);
    }

    [TestMethod]
    public void Open_SeveralFiles_FollowEachOther()
    {
        using var folder = new TemporaryFolder();
        string a = Npz(folder.Combine("a.npz"), ("x", Floats("2, 1", 1, 2))), b = Npz(folder.Combine("b.npz"), ("x", Floats("1, 1", 3)));
        using var data = DataSet.Open([a, b], OneInput(Dimension.Unknown, 1));
        CollectionAssert.AreEqual(new[] { 1f, 2, 3 }, Enumerable.Range(0, data.Count).Select(i => Values(data.Read(i).Inputs[0])[0]).ToArray());
    }

    [TestMethod]
    public void Open_FolderOfArrays_MayDifferInOpenSizes()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder.Combine("b.npy"), Floats("3,", 3, 4, 5));
        File.WriteAllBytes(folder.Combine("a.npy"), Floats("1, 2", 1, 2));
        using var data = DataSet.Open([folder.Path], OneInput(Dimension.OfSymbol("N"), Dimension.OfSymbol("T")));
        Assert.AreEqual(2, data.Count);
        CollectionAssert.AreEqual(new long[] { 1, 2 }, TensorOf(data.Read(0).Inputs[0]).Dims.ToArray());
        CollectionAssert.AreEqual(new long[] { 1, 3 }, TensorOf(data.Read(1).Inputs[0]).Dims.ToArray());
    }

    [TestMethod]
    [DataRow(float.NaN, "NaN")]
    [DataRow(float.NegativeInfinity, "an infinity")]
    public void Read_NotFinite_IsOneWarningPerFile_AboutItsFirstSample(float value, string named)
    {
        using var folder = new TemporaryFolder();
        string clean = Npz(folder.Combine("clean.npz"), ("x", Floats("3, 1", 1, 2, 3))), bad = Npz(folder.Combine("bad.npz"), ("x", Floats("3, 1", 1, value, value)));
        using var data = DataSet.Open([clean, bad], OneInput(Dimension.Unknown, 1));
        for (int i = data.Count - 1; i >= 0; i--) data.Read(i);
        var warning = data.Warnings.Single();
        Assert.AreEqual("MCB3013", warning.Code);
        Assert.AreEqual(DiagnosticSeverity.Warning, warning.Severity);
        Assert.AreEqual(bad, warning.File);
        StringAssert.Contains(warning.Message, $"Sample 1 has {named} in input 'x'");
    }

    public static IEnumerable<object[]> BadData()
    {
        yield return ["MCB3006", "Did you mean", () => new[] { ("X", Floats("2, 2", 1, 2, 3, 4)), ("z", Floats("1,", 1)) }];
        yield return ["MCB3006", "'extra'", () => new[] { ("x", Floats("2, 2", 1, 2, 3, 4)), ("extra", Floats("2,", 1, 2)) }];
        yield return ["MCB3006", "output:scores", () => new[] { ("x", Floats("2, 2", 1, 2, 3, 4)), ("output:score", Floats("2, 3", 1, 2, 3, 4, 5, 6)) }];
        yield return ["MCB3007", "numpy.float32", () => new[] { ("x", Npy("<f8", "2, 2", [1.0, 2, 3, 4])) }];
        yield return ["MCB3008", "[2,3]", () => new[] { ("x", Floats("2, 3", 1, 2, 3, 4, 5, 6)) }];
        yield return ["MCB3005", "no samples", () => new[] { ("x", Floats("0, 2")) }];
        yield return ["MCB3010", "3 for sample 1", () => new[] { ("x", Floats("2, 2", 1, 2, 3, 4)), ("labels", Longs("2,", 0, 3)) }];
        yield return ["MCB3010", "-1 for sample 0", () => new[] { ("x", Floats("2, 2", 1, 2, 3, 4)), ("labels", Longs("2,", -1, 0)) }];
        yield return ["MCB3010", "[3]", () => new[] { ("x", Floats("2, 2", 1, 2, 3, 4)), ("labels", Longs("3,", 0, 1, 2)) }];
        yield return ["MCB3010", "9223372036854775807 for sample 1", () => new[] { ("x", Floats("2, 2", 1, 2, 3, 4)), ("labels", Npy("<u8", "2,", [2UL, ulong.MaxValue])) }];
        yield return ["MCB3010", "argmax", () => new[] { ("x", Floats("2, 2", 1, 2, 3, 4)), ("labels", Floats("2,", 0, 1)) }];
        yield return ["MCB3011", "3 rows", () => new[] { ("x", Floats("2, 2", 1, 2, 3, 4)), ("output:scores", Floats("3, 3", 1, 2, 3, 4, 5, 6, 7, 8, 9)) }];
        yield return ["MCB3004", "pickled", () => new[] { ("x", Npy("{'descr': '|O', 'fortran_order': False, 'shape': (2, 2), }", new byte[40])) }];
    }

    [TestMethod]
    [DynamicData(nameof(BadData))]
    public void Open_BadArrays_AreOneCodedError(string code, string part, Func<(string, byte[])[]> arrays)
    {
        using var folder = new TemporaryFolder();
        string path = Npz(folder.Combine("d.npz"), arrays());
        var error = Assert.ThrowsExactly<DiagnosticException>(() => DataSet.Open([path], OneInput(Dimension.OfSymbol("N"), 2))).Diagnostic;
        Assert.AreEqual(code, error.Code);
        Assert.AreEqual(path, error.File);
        StringAssert.Contains(error.Message, part);
        Assert.IsFalse(error.Message.Contains('\n', StringComparison.Ordinal));
        Assert.IsTrue(File.Exists(RepositoryPaths.Combine("docs", "diagnostics", code + ".md")), "a page for the code");
        File.Delete(path); // nothing keeps the file open after an error
    }

    [TestMethod]
    public void Open_TwoInputs_MustHaveEquallyManySamples()
    {
        var model = new ModelInterface([Port("a", DataType.Float, Dimension.Unknown), Port("b", DataType.Float, Dimension.Unknown)], [Scores]);
        using var folder = new TemporaryFolder();
        string path = Npz(folder.Combine("d.npz"), ("a", Floats("2,", 1, 2)), ("b", Floats("3,", 1, 2, 3)));
        Assert.AreEqual("MCB3009", ErrorOf(path, model));
        Assert.AreEqual("MCB3006", ErrorOf(Npz(folder.Combine("e.npz"), ("a", Floats("2,", 1, 2))), model));
        File.WriteAllBytes(folder.Combine("s.npy"), Floats("2,", 1, 2));
        Assert.AreEqual("MCB3012", ErrorOf(folder.Path, model));
    }

    [TestMethod]
    public void Open_BadPaths_AreCodedErrors()
    {
        using var folder = new TemporaryFolder();
        var model = OneInput(Dimension.Unknown, 2);
        Assert.AreEqual("MCB3001", ErrorOf(folder.Combine("missing.npz"), model));
        Assert.AreEqual("MCB3005", ErrorOf(folder.Path, model));
        Assert.AreEqual("MCB3002", ErrorOf(folder.Write("d.csv", "1,2"), model));
        Assert.AreEqual("MCB3003", ErrorOf(folder.Write("empty.npz", ""), model));
        string labelled = Npz(folder.Combine("l.npz"), ("x", Floats("1, 2", 1, 2)), ("labels", Longs("1,", 0))), bare = Npz(folder.Combine("n.npz"), ("x", Floats("1, 2", 1, 2)));
        Assert.AreEqual("MCB3015", Assert.ThrowsExactly<DiagnosticException>(() => DataSet.Open([labelled, bare], model)).Diagnostic.Code);
        Assert.AreEqual("MCB3014", ErrorOf(bare, new ModelInterface([], [Scores])));
    }

    private static string ErrorOf(string path, ModelInterface model) => Assert.ThrowsExactly<DiagnosticException>(() => DataSet.Open([path], model)).Diagnostic.Code;

    private static ModelPort Port(string name, DataType type, params Dimension[] dims) => new(name, new TensorType(type, new Shape(dims)));

    private static Tensor TensorOf(NamedValue value) => ((TensorValue)value.Value).Tensor;

    private static float[] Values(NamedValue value) => TensorOf(value).AsSpan<float>().ToArray();
}
