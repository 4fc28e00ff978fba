using System.Numerics.Tensors;
using ModelCompression.Data.Arrays;
using ModelCompression.Data.Sources;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Data;

/// <summary>
/// Samples for a model from files and folders (<c>.npz</c>, <c>.npy</c>, ONNX test folders). Names, shapes, types, counts and labels are checked when it is opened;
/// elements are read sample by sample, so a set may be larger than memory. Reading is thread-safe.
/// </summary>
public sealed class DataSet : IDisposable
{
    private readonly IReadOnlyList<DataSource> sources;
    private readonly int[] ends;
    private readonly IReadOnlyList<string> paths;
    private readonly Dictionary<(int Source, string Input), NotFinite> notFinite = [];

    private DataSet(IReadOnlyList<DataSource> sources, IReadOnlyList<string> paths)
    {
        this.sources = sources;
        this.paths = paths;
        ends = new int[sources.Count];
        for (int i = 0; i < ends.Length; i++) ends[i] = checked((i == 0 ? 0 : ends[i - 1]) + sources[i].Count);
    }

    /// <summary>Number of feeds: samples, or batches of samples where the model has a fixed batch size above 1.</summary>
    public int Count => ends[^1];

    /// <summary>Number of samples in all feeds.</summary>
    public long RowCount => sources.Sum(s => s.RowCount);

    /// <summary>Whether every sample has a label.</summary>
    public bool HasLabels => sources.All(s => s.HasLabels);

    /// <summary>Outputs for which every sample has expected values.</summary>
    public IReadOnlyList<string> ExpectedOutputs => [.. sources.Skip(1).Aggregate(sources[0].ExpectedOutputs.AsEnumerable(), (a, s) => a.Intersect(s.ExpectedOutputs, StringComparer.Ordinal))];

    /// <summary>What was noticed in the samples read so far: MCB3013 for the first NaN or infinity of each file and input.</summary>
    public IReadOnlyList<Diagnostic> Warnings
    {
        get
        {
            lock (notFinite)
                return [.. sources.Select(s => s.LabelProblem).OfType<Diagnostic>(), .. notFinite.OrderBy(f => f.Key.Source).ThenBy(f => f.Key.Input, StringComparer.Ordinal).Select(f => Warn(paths[f.Key.Source], f.Key.Input, f.Value))];
        }
    }

    /// <summary>Opens data and checks it against the model.</summary>
    /// <param name="paths">Files and folders; their samples follow each other.</param>
    /// <param name="model">What the model takes and gives.</param>
    /// <param name="needsLabels">False where labels have no use: those that are wrong are left out with a warning then.</param>
    /// <exception cref="DiagnosticException">MCB3001 to MCB3015: the first thing that is wrong; its file is the one it is about.</exception>
    public static DataSet Open(IReadOnlyList<string> paths, ModelInterface model, bool needsLabels = true)
    {
        if (paths.Count == 0) throw new ArgumentException("No data was given.", nameof(paths));
        if (model.Inputs.Count == 0) throw DataError.Of(paths[0], "MCB3014", "The model has no inputs, so there is nothing to feed data to. Remove the data setting.");
        var sources = new List<DataSource>();
        try
        {
            foreach (string path in paths) sources.Add(OpenSource(path, model, needsLabels));
            if (needsLabels && sources.Find(s => s.HasLabels != sources[0].HasLabels) is { } other)
                throw DataError.Of(paths[sources.IndexOf(other)], "MCB3015", $"{(other.HasLabels ? "This has labels" : "This has no labels")}, but {Path.GetFileName(paths[0])} {(sources[0].HasLabels ? "has" : "has not")}. Give labels for all samples or for none.");
            return new DataSet(sources, paths);
        }
        catch
        {
            foreach (var source in sources) source.Dispose();
            throw;
        }
    }

    /// <summary>Reads feed <paramref name="index"/>, 0 ≤ index &lt; <see cref="Count"/>.</summary>
    /// <param name="index">Number of the feed.</param>
    /// <param name="buffers">Memory to read into; the sample is then valid until the next is read into it. Null gives the sample memory of its own.</param>
    /// <exception cref="DiagnosticException">MCB3003: the file is damaged at this place.</exception>
    public Sample Read(int index, SampleBuffers? buffers = null)
    {
        var (source, number) = Find(index);
        return NoteNotFinite(sources[source].Read(number, buffers), source, number);
    }

    /// <summary>The file or folder that a feed comes from, and its number there.</summary>
    public (string File, int Number) OriginOf(int index)
    {
        var (source, number) = Find(index);
        return (paths[source], number);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var source in sources) source.Dispose();
    }

    /// <summary>The source of a feed, and its number there.</summary>
    private (int Source, int Number) Find(int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
        int source = Array.FindIndex(ends, end => index < end);
        return (source, index - (source == 0 ? 0 : ends[source - 1]));
    }

    /// <summary>
    /// A NaN is most likely a mistake in the data but may be meant (missing values of a tree model; an infinity: a mask that is added), so it is said once and fed.
    /// Samples may be read in any order, so the first is the one with the lowest number.
    /// </summary>
    private Sample NoteNotFinite(Sample sample, int source, int index)
    {
        foreach (var input in sample.Inputs)
        {
            if (input.Value is not TensorValue { Tensor: { DataType: DataType.Float } tensor } || tensor.AsSpan<float>() is not { IsEmpty: false } elements) continue;
            // NaN when one is there, else infinite when one is infinite.
            float largest = TensorPrimitives.MaxMagnitude(elements);
            if (float.IsFinite(largest)) continue;
            lock (notFinite)
            {
                if (!notFinite.TryGetValue((source, input.Name), out var known) || index < known.Sample) notFinite[(source, input.Name)] = new(index, float.IsNaN(largest));
            }

            sample = sample with { NotFiniteInput = sample.NotFiniteInput ?? input.Name };
        }

        return sample;
    }

    private static Diagnostic Warn(string path, string input, NotFinite found) => Diagnostic.Warning("MCB3013", FormattableString.Invariant(
        $"Sample {found.Sample} has {(found.IsNaN ? "NaN" : "an infinity")} in input '{input}'. Figures measured with it may be meaningless; clean the data if it is not meant.")) with
    { File = path };

    private static DataSource OpenSource(string path, ModelInterface model, bool needsLabels)
    {
        if (Directory.Exists(path)) return OpenFolder(path, model);
        return Path.GetExtension(path).ToLowerInvariant() switch
        {
            _ when !File.Exists(path) => throw DataError.Of(path, "MCB3001", "The data does not exist. Correct the path; relative paths start at the project's folder, those on a command line at the current one."),
            ".npz" => ArraySource.Open(path, ArrayCollection.OpenNpz(path), model, needsLabels),
            ".npy" => ArraySource.Open(path, ArrayCollection.OpenNpy(path), model, needsLabels),
            var extension => throw DataError.Of(path, "MCB3002", $"Data cannot be read from '{extension}' files. Expected an .npz or .npy file, a folder of .npy files, or a folder in ONNX's test layout (test_data_set_0/input_0.pb)."),
        };
    }

    private static DataSource OpenFolder(string path, ModelInterface model)
    {
        try
        {
            var sets = Directory.EnumerateDirectories(path, "test_data_set_*").Order(NumberedNames.Comparer).ToList();
            if (sets.Count > 0) return new TestFolderSource(sets, model);
            if (File.Exists(Path.Combine(path, "input_0.pb"))) return new TestFolderSource([path], model);
            var arrays = Directory.EnumerateFiles(path, "*.npy").Order(StringComparer.Ordinal).ToList();
            if (arrays.Count > 0) return new ArrayFolderSource(path, arrays, model);
        }
        catch (Exception e) when (e is UnauthorizedAccessException or IOException)
        {
            throw DataError.Of(path, "MCB3001", $"The folder cannot be read: {e.Message.ReplaceLineEndings(" ").TrimEnd('.')}. Correct the permissions.", e);
        }

        throw DataError.Of(path, "MCB3005", "The folder holds no data. Expected test_data_set_<n>/input_<i>.pb, input_<i>.pb, or .npy files.");
    }

    /// <summary>The sample within its source, and whether it has NaN or infinities only.</summary>
    private readonly record struct NotFinite(int Sample, bool IsNaN);
}
