using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using ModelCompression.Onnx.Serialization;

namespace ModelCompression.Pipeline.Search;

/// <summary>
/// Results of trials on disk: <c>&lt;output&gt;.search/&lt;key&gt;/&lt;kind&gt;-&lt;candidate&gt;.json</c>, where the key stands for model, data, tool and everything else that is the same for all
/// candidates. Each appears by a rename, so that a killed search leaves whole results only and the next one goes on from them.
/// </summary>
internal sealed class TrialStore
{
    private readonly string folder;

    /// <summary>Opens the store; results for other models or data are dropped.</summary>
    /// <param name="outputPath">Full path of the result.</param>
    /// <param name="key">What all candidates have in common.</param>
    public TrialStore(string outputPath, string key)
    {
        string root = FolderOf(outputPath);
        folder = Path.Combine(root, key);
        try
        {
            Directory.CreateDirectory(folder);
            foreach (string other in Directory.EnumerateDirectories(root).Where(d => d != folder).ToArray()) Directory.Delete(other, recursive: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Nothing can be kept, or something could not be removed: the search works all the same.
        }
    }

    /// <summary>The folder of a result's searches.</summary>
    public static string FolderOf(string outputPath) => outputPath + ".search";

    /// <summary>A file of the store that is no result, for models too large for memory.</summary>
    public string ScratchPath(string name) => Path.Combine(folder, name);

    /// <summary>Takes a result from disk, or makes it and keeps it.</summary>
    /// <param name="kind">What is known of the candidate.</param>
    /// <param name="candidate">Its key.</param>
    /// <param name="type">Serialization.</param>
    /// <param name="make">Makes it.</param>
    /// <param name="keeps">False for results that are not to be kept; null keeps all.</param>
    public T GetOrAdd<T>(string kind, string candidate, JsonTypeInfo<T> type, Func<T> make, Func<T, bool>? keeps = null)
        where T : class
    {
        string path = Path.Combine(folder, $"{kind}-{candidate}.json");
        if (Read(path, type) is { } known) return known;
        var made = make();
        if (keeps?.Invoke(made) != false) Write(path, made, type);
        return made;
    }

    private static T? Read<T>(string path, JsonTypeInfo<T> type)
        where T : class
    {
        try
        {
            if (!File.Exists(path)) return null;
            FileKind.Require(path);
            return JsonSerializer.Deserialize(File.ReadAllBytes(path), type);
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static void Write<T>(string path, T value, JsonTypeInfo<T> type)
    {
        try
        {
            string temporary = path + ".tmp";
            File.WriteAllBytes(temporary, JsonSerializer.SerializeToUtf8Bytes(value, type));
            File.Move(temporary, path, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A full disk costs the resumption, not the search.
        }
    }
}
