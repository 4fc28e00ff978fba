using ModelCompression.Testing;
using ModelCompression.Testing.Zoo;

namespace ModelCompression.Build.Tests.Packaging;

[TestClass]
public sealed class ModelZooTests
{
    [TestMethod]
    [DataRow("ppocr-v4/ch_PP-OCRv4_rec_infer.onnx")]
    [DataRow("silero-vad/silero_vad_v5.onnx")]
    [DataRow("blazeface/face_detection_front_128x128_barracuda.onnx")]
    [DataRow("mlsd/mlsd_320x320_tiny.onnx")]
    [DataRow("speech-embedding/embedding_model.onnx")]
    [DataRow("whisper-tiny/encoder_model_quantized.onnx")]
    public void Path_OfPublishedModel_IsFileWithContent(string model) => Assert.IsGreaterThan(10_000, new FileInfo(ModelZoo.Path(model)).Length);

    [TestMethod]
    public void Models_AreAllThere()
    {
        var models = ModelZoo.Models();
        Assert.HasCount(14, models);
        Assert.IsTrue(models.All(File.Exists));
    }

    [TestMethod]
    public void OnnxTestData_HasModelsWithInputs()
    {
        var testCase = Path.Combine(ModelZoo.OnnxTestData(), "node", "test_add");
        Assert.IsTrue(File.Exists(Path.Combine(testCase, "model.onnx")));
        Assert.IsTrue(File.Exists(Path.Combine(testCase, "test_data_set_0", "input_0.pb")));
    }

    [TestMethod]
    public void FashionMnist_HasTestImages() => Assert.IsTrue(File.Exists(Path.Combine(ModelZoo.FashionMnist(), "t10k-images-idx3-ubyte.gz")));

    [TestMethod]
    public void Path_OfUnknownModel_NamesWhatThereIs()
    {
        var exception = Assert.ThrowsExactly<ArgumentException>(() => ModelZoo.Path("resnet/model.onnx"));
        Assert.Contains("ppocr-v4", exception.Message);
    }

    [TestMethod]
    public void GetFolder_WhenArchiveHasOtherHash_RefusesIt()
    {
        using var folder = new TemporaryFolder();
        var source = new FileSource("model", new string('0', 64), "not what was pinned");
        var exception = Assert.ThrowsExactly<ModelUnavailableException>(() => new ZooStore(folder.Path).GetFolder(source));
        Assert.Contains(source.Sha256, exception.Message);
        Assert.IsFalse(Directory.Exists(folder.Combine("model")));
    }

    [TestMethod]
    public async Task GetFolder_WhenAskedByManyStores_FetchesOnce()
    {
        using var folder = new TemporaryFolder();
        var source = new FileSource("model", "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824", "hello");
        // A store per caller stands for a process per caller: they share nothing but the folder.
        var calls = Enumerable.Range(0, 8).Select(_ => Task.Run(() => new ZooStore(folder.Path).GetFolder(source)));
        var paths = await Task.WhenAll(calls).ConfigureAwait(false);
        Assert.AreEqual(1, source.FetchCount);
        Assert.AreEqual("hello", await File.ReadAllTextAsync(Path.Combine(paths.Distinct().Single(), "content")).ConfigureAwait(false));
    }

    private sealed record FileSource(string Name, string Sha256, string Content) : ZooSource(Name, Sha256)
    {
        private int _fetchCount;

        public int FetchCount => _fetchCount;

        public override string Description => "test file";

        public override string Fetch(string folder)
        {
            Interlocked.Increment(ref _fetchCount);
            var path = Path.Combine(folder, "archive");
            File.WriteAllText(path, Content);
            return path;
        }

        public override void Extract(string archive, string folder) => File.Copy(archive, Path.Combine(folder, "content"));
    }
}
