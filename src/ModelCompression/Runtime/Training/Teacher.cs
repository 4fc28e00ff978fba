using System.Collections.Concurrent;
using ModelCompression.Data;

namespace ModelCompression.Runtime.Training;

/// <summary>Outputs of the original model, computed once per sample.</summary>
internal sealed class Teacher(string path) : IDisposable
{
    private readonly Lazy<ModelSession> session = new(() => ModelSession.Open(path, SessionSettings.Default, ModelRole.Original));
    private readonly ConcurrentDictionary<Sample, IReadOnlyList<NamedValue>> known = new(ReferenceEqualityComparer.Instance);

    /// <summary>What the original gives for a sample.</summary>
    public IReadOnlyList<NamedValue> Outputs(Sample sample) => known.GetOrAdd(sample, s => session.Value.Run(s.Inputs));

    /// <inheritdoc/>
    public void Dispose()
    {
        if (session.IsValueCreated) session.Value.Dispose();
    }
}
