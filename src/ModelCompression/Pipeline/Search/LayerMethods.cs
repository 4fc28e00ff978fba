namespace ModelCompression.Pipeline.Search;

/// <summary>The methods that compete in every layer.</summary>
internal static class LayerMethods
{
    /// <summary>Above this, methods that seldom win are left out: each costs a run of the passes over the whole model.</summary>
    private const long LargeByteLength = 64L << 20;

    private static readonly double[] Sparsities = [0.5, 0.7, 0.85, 0.93, 0.97, 0.99];
    private static readonly double[] BetweenSparsities = [0.6, 0.65, 0.75, 0.8, 0.9, 0.95, 0.98];

    /// <summary>Methods that agree with what the user set.</summary>
    /// <param name="layers">Layers.</param>
    /// <param name="given">The item's metadata.</param>
    public static IReadOnlyList<LayerMethod> For(IReadOnlyList<SearchLayer> layers, IReadOnlyDictionary<string, string> given)
    {
        bool large = layers.Sum(l => l.ByteLength) > LargeByteLength;
        return [.. (large ? Few() : All()).Where(m => m.Settings.All(s => !IsGivenOtherwise(given, s.Key, s.Value)))];
    }

    private static bool IsGivenOtherwise(IReadOnlyDictionary<string, string> given, string name, string value) =>
        given.Any(g => g.Key.Equals(name, StringComparison.OrdinalIgnoreCase) && !string.IsNullOrWhiteSpace(g.Value) && !g.Value.Trim().Equals(value, StringComparison.OrdinalIgnoreCase));

    private static IEnumerable<LayerMethod> All()
    {
        yield return LayerMethod.Half;
        yield return LayerMethod.Codes(8, 32);
        foreach (int bits in new[] { 8, 6, 5, 4, 3 }) yield return LayerMethod.Codes(bits);
        foreach (int block in new[] { 32, 128 })
            foreach (int bits in new[] { 4, 3, 2 }) yield return LayerMethod.Codes(bits, block);
        yield return LayerMethod.Codes(2, 64, "Asymmetric");
        foreach (int bits in new[] { 3, 2 }) yield return LayerMethod.Codes(bits, null, "Codebook");
        foreach (int bits in new[] { 2, 3, 4, 5 })
        {
            foreach (double sparsity in Sparsities) yield return LayerMethod.Sparse(sparsity, bits);
            foreach (double sparsity in BetweenSparsities) yield return LayerMethod.Sparse(sparsity, bits) with { IsBetween = true };
        }
    }

    private static IEnumerable<LayerMethod> Few()
    {
        yield return LayerMethod.Half;
        yield return LayerMethod.Codes(8, 32);
        foreach (int bits in new[] { 8, 6, 5, 4, 3 }) yield return LayerMethod.Codes(bits);
        foreach (int bits in new[] { 4, 3, 2 }) yield return LayerMethod.Codes(bits, 32);
        foreach (double sparsity in new[] { 0.5, 0.7, 0.85 }) yield return LayerMethod.Sparse(sparsity, 4);
    }
}
