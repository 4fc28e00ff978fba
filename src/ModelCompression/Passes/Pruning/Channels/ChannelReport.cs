using System.Globalization;
using ModelCompression.Analysis;
using ModelCompression.Analysis.Channels;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Passes.Pruning.ByActivation;
using ModelCompression.Passes.Pruning.Refitting;

namespace ModelCompression.Passes.Pruning.Channels;

/// <summary>Tells what became of every weight, and why channels stayed.</summary>
internal sealed class ChannelReport(string pass, CompressionSettings settings, PassLog log, ChannelGroups groups, ChannelRemoval removal, IReadOnlyDictionary<ChannelGroup, string> notScored)
{
    /// <summary>Channels that ONNX Runtime's convolutions keep together on processors with AVX-512.</summary>
    private const int BlockedChannels = 16;

    /// <summary>Constants that are no weights and smaller than this have no row of their own.</summary>
    private const long ReportedByteLength = 4096;

    private readonly List<(WeightSite Site, string? Kept)> sites = [];
    private readonly List<UntreatedConstant> others = [];
    private readonly Dictionary<Value, RefitRecord> refits = [];

    /// <summary>Name of a group: that of the first node that makes its channels.</summary>
    public static string NameOf(ChannelGroup group) => group.ProducerNodes[0].DisplayName;

    /// <summary>Notes the constants as they are.</summary>
    /// <param name="weights">Weights in scope, and those that shrink.</param>
    /// <param name="constants">Other constants.</param>
    public void Before(IEnumerable<WeightSite> weights, IEnumerable<UntreatedConstant> constants)
    {
        foreach (var site in weights) sites.Add((site, WhyKept(site)));
        foreach (var other in constants)
            if (other.Tensor.Rank > 1 && removal.Shrinks(other.Value) && other.Tensor.ByteLength >= ReportedByteLength && other.Value.Uses.Count > 0) others.Add(other);
    }

    /// <summary>Notes which weights were refitted.</summary>
    public void Refitted(IEnumerable<RefitRecord> records)
    {
        foreach (var record in records) refits[record.Weight] = record;
    }

    /// <summary>Records what has changed.</summary>
    public void After(Model model, IReadOnlyList<(ChannelGroup Group, bool[] Removed)> decisions)
    {
        foreach (var (group, removed) in decisions)
        {
            int count = removed.Count(r => r);
            string statistics = group.ChangesStatistics ? "; layer normalization now runs over the others" : "";
            log.Applied(pass, NameOf(group), FormattableString.Invariant($"{count} of {group.UnitCount} channels removed{statistics}"));
        }

        foreach (var (site, kept) in sites) Record(site, kept);
        foreach (var constant in others) Record(constant);
        if (decisions.Count == 0) log.Report(NothingRemoved());
        else if (UnevenConvolution() is { } node) log.Report(UnevenCounts(node));
    }

    private void Record(WeightSite site, string? kept)
    {
        var record = PruningRecord.Of(log, site);
        Describe(record, site.Value, site.Tensor, a => a == OutputAxis(site) ? "channels" : "inputs");
        var refit = refits.GetValueOrDefault(site.Value);
        if (refit is not null)
            record.AddAction(FormattableString.Invariant($"refitted by least squares: error of its outputs {100 * refit.ErrorBefore:0.0} % -> {100 * refit.ErrorAfter:0.0} %"));
        if (site.Value.TryGetConstant(out var now))
        {
            record.CompressedBytes = now.ByteLength;
            record.Cut(1 - (now.ElementCount / (double)Math.Max(1, site.Tensor.ElementCount)));
            if (refit is not null) Measure(record, site, now);
        }

        if (kept is null) return;
        record.Reason = $"channels stay: {kept}";
        log.Refused(pass, site.Node.DisplayName, $"channels stay: {kept}");
    }

    private void Record(UntreatedConstant constant)
    {
        var record = PruningRecord.Of(log, constant.Value, constant.Tensor, constant.Value.Uses[0].Node);
        Describe(record, constant.Value, constant.Tensor, a => FormattableString.Invariant($"axis {a}"));
        if (!constant.Value.TryGetConstant(out var now)) return;
        record.CompressedBytes = now.ByteLength;
        record.Cut(1 - (now.ElementCount / (double)Math.Max(1, constant.Tensor.ElementCount)));
    }

    private void Describe(LayerRecord record, Value value, Tensor tensor, Func<int, string> nameOf)
    {
        var dims = tensor.Dims.ToArray();
        var changes = Enumerable.Range(0, dims.Length).Where(a => removal.Kept(value, a) is not null)
            .Select(a => FormattableString.Invariant($"{nameOf(a)} {dims[a]} -> {removal.Kept(value, a)!.Length}")).ToList();
        if (changes.Count > 0) record.AddAction($"removed: {string.Join(", ", changes)}");
    }

    /// <summary>Compares the elements that stay with what they were.</summary>
    private void Measure(LayerRecord record, WeightSite site, Tensor now)
    {
        var before = site.Tensor;
        for (int axis = 0; axis < before.Rank; axis++)
            if (removal.Kept(site.Value, axis) is { } positions) before = TensorSelection.Take(before, axis, positions);
        var (loss, kept, _) = UpdateRecord.Difference(before, now);
        record.Lose(LossStep.Refit, loss, kept);
    }

    /// <summary>Why the output channels of a weight all stay, or null when some go.</summary>
    private string? WhyKept(WeightSite site)
    {
        int axis = OutputAxis(site);
        if (removal.Kept(site.Value, axis) is not null) return null;
        if (settings.ReasonToSkip(site.Node) is { } reason) return reason;
        if (groups.WhyKept(site.Value, axis) is { } pinned) return pinned;
        var group = groups.Groups.FirstOrDefault(g => g.Slots.Any(s => s.Value == site.Value && s.Axis == axis));
        if (group is null) return "no weight makes them";
        if (notScored.TryGetValue(group, out string? why)) return why;
        int multiple = settings.For(site.Node).ChannelMultiple;
        return string.Create(CultureInfo.InvariantCulture, $"none of {group.UnitCount} is to go by Sparsity and ChannelMultiple={multiple}");
    }

    private static int OutputAxis(WeightSite site) => site.Uses[0].Role == WeightRole.Embedding ? site.Uses[0].ReductionAxis : site.Uses[0].ChannelAxes[^1];

    /// <summary>A convolution that had whole blocks of channels before and has not any more.</summary>
    private string? UnevenConvolution()
    {
        foreach (var (site, _) in sites)
            if (site.Role == WeightRole.Convolution && removal.Kept(site.Value, 0) is { } kept && kept.Length % BlockedChannels != 0 && site.Tensor.Dims[0] % BlockedChannels == 0) return site.Node.DisplayName;
        return null;
    }

    private static Diagnostic UnevenCounts(string node) => Diagnostic.Note("MCB4023",
        $"Some convolutions, {node} among them, now have channel counts that are not multiples of {BlockedChannels}; on processors with AVX-512 they may be slower than they could be. ChannelMultiple=\"{BlockedChannels}\" avoids that.");

    private Diagnostic NothingRemoved()
    {
        var reasons = sites.Where(s => s.Kept is not null).OrderByDescending(s => s.Site.Tensor.ByteLength).Take(3).Select(s => $"{s.Site.Node.DisplayName}: {s.Kept}").ToList();
        string why = reasons.Count > 0 ? string.Join("; ", reasons) : "it has no floating point weights of known operators; prune a model before it is quantized";
        return Diagnostic.Warning("MCB4022", $"No channel of this model could be removed ({why}). The report names the reason for every layer; a smaller ChannelMultiple or a larger Sparsity may help.");
    }
}
