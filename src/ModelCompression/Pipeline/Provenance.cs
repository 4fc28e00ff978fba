using ModelCompression.Onnx.Graph;

namespace ModelCompression.Pipeline;

/// <summary>What a result says of its origin in <c>metadata_props</c>. No time stamps and no absolute paths: equal results stay equal.</summary>
internal static class Provenance
{
    /// <summary>Prefix of the keys.</summary>
    public const string Prefix = "modelcompression.";

    /// <summary>Key of the source's digest, which every result has that is not the original.</summary>
    public const string SourceKey = Prefix + "source_sha256";

    /// <summary>Characters of a SHA-256 in hexadecimal.</summary>
    private const int DigestLength = 64;

    /// <summary>Stamps a model that nobody will read, to see how many bytes it takes.</summary>
    /// <param name="model">The model.</param>
    /// <param name="settings">Effective settings (<see cref="SettingsText.Of"/>).</param>
    public static void StampForSize(Model model, IReadOnlyDictionary<string, string> settings) => Stamp(model, settings, new string('0', DigestLength));

    /// <summary>Stamps the model.</summary>
    /// <param name="model">The compressed model.</param>
    /// <param name="settings">Effective settings (<see cref="SettingsText.Of"/>).</param>
    /// <param name="sourceSha256">Digest of the source file.</param>
    public static void Stamp(Model model, IReadOnlyDictionary<string, string> settings, string sourceSha256)
    {
        model.SetMetadata(Prefix + "version", ToolVersion.Current);
        model.SetMetadata(Prefix + "settings", SettingsText.Line(settings));
        model.SetMetadata(SourceKey, sourceSha256);
    }
}
