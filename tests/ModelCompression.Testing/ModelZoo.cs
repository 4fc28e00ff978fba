using ModelCompression.Testing.Zoo;

namespace ModelCompression.Testing;

/// <summary>
/// Published models and data sets for tests, obtained on first use into <c>artifacts/models</c> and checked against pinned hashes.
/// Where a source is out of reach the calling test is inconclusive; with the environment variable <c>CI=true</c> it fails.
/// </summary>
public static class ModelZoo
{
    private static readonly ZooStore Store = new(System.IO.Path.Combine(RepositoryPaths.Artifacts, "models"));

    /// <summary>The path of a model, such as <c>ppocr-v4/ch_PP-OCRv4_rec_infer.onnx</c>.</summary>
    /// <param name="model">Folder and file name, as in <see cref="ZooCatalogue"/>.</param>
    /// <exception cref="ArgumentException">The zoo has no such folder or file.</exception>
    public static string Path(string model)
    {
        var separator = model.IndexOf('/', StringComparison.Ordinal);
        if (separator < 0)
            throw new ArgumentException($"'{model}' is not of the form folder/file.", nameof(model));
        var path = System.IO.Path.Combine(Folder(model[..separator]), model[(separator + 1)..]);
        return File.Exists(path) ? path : throw new ArgumentException($"The zoo has no '{model}'.", nameof(model));
    }

    /// <summary>The paths of all published models, sorted; the ONNX project's test cases are not among them.</summary>
    public static IReadOnlyList<string> Models() =>
        [.. ZooCatalogue.Sources.Values.OfType<NpmSource>()
            .SelectMany(source => source.Members.Where(member => member.EndsWith(".onnx", StringComparison.Ordinal))
                .Select(member => Path($"{source.Name}/{System.IO.Path.GetFileName(member)}")))
            .Order(StringComparer.Ordinal)];

    /// <summary>The folder of the ONNX project's test cases: <c>node/test_*/model.onnx</c> with <c>test_data_set_*</c>, <c>simple/</c> and others.</summary>
    public static string OnnxTestData() => Folder("onnx-testdata");

    /// <summary>The folder of Fashion-MNIST's four gzip-compressed IDX files, such as <c>t10k-images-idx3-ubyte.gz</c>.</summary>
    public static string FashionMnist() => Folder("fashion-mnist");

    private static string Folder(string name)
    {
        if (!ZooCatalogue.Sources.TryGetValue(name, out var source))
            throw new ArgumentException($"The zoo has no '{name}'; it has {string.Join(", ", ZooCatalogue.Sources.Keys)}.", nameof(name));
        try
        {
            return Store.GetFolder(source);
        }
        catch (ModelUnavailableException e) when (Environment.GetEnvironmentVariable("CI") == "true")
        {
            throw new AssertFailedException(e.Message, e);
        }
        catch (ModelUnavailableException e)
        {
            throw new AssertInconclusiveException(e.Message, e);
        }
    }
}
