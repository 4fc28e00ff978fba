namespace ModelCompression.Runtime;

/// <summary>Whose model a session runs; decides the codes of its diagnostics.</summary>
public enum ModelRole
{
    /// <summary>The user's model: <c>MCB204x</c>.</summary>
    Original,

    /// <summary>The model made of it: <c>MCB404x</c>.</summary>
    Compressed,
}

/// <summary>How a session is opened. CPU only; nothing depends on the machine's number of cores unless asked for.</summary>
public sealed record SessionSettings
{
    /// <summary>As an application opens a model: all graph optimizations, weights prepacked.</summary>
    public static SessionSettings Default { get; } = new();

    /// <summary>
    /// Cheapest way to run a model a few times: no graph optimization, weights used where they lie. External weights stay mapped from the file,
    /// so that opening takes milliseconds and no memory.
    /// </summary>
    public static SessionSettings Lean { get; } = new() { Optimize = false, PrepackWeights = false, ReuseMemory = false };

    /// <summary>All graph optimizations (ONNX Runtime's default) or none.</summary>
    public bool Optimize { get; init; } = true;

    /// <summary>Whether kernels may keep weights in a layout of their own: slower to open, faster to run.</summary>
    public bool PrepackWeights { get; init; } = true;

    /// <summary>Whether buffers are kept between runs: faster from the second run on, never given back while the session lives.</summary>
    public bool ReuseMemory { get; init; } = true;

    /// <summary>
    /// Whether buffers of inputs of the same shapes are planned ahead, in one piece of memory from the second run on: that piece is brought in page by page, beside what the first run has used,
    /// which takes many runs to be worth it. Only with <see cref="ReuseMemory"/>.
    /// </summary>
    public bool PlanMemory { get; init; } = true;

    /// <summary>Folder of external weights of a model that is opened from memory; null when it has none.</summary>
    internal string? WeightsFolder { get; init; }

    /// <summary>Threads inside an operator. The default of 1 makes results independent of the machine.</summary>
    public int Threads { get; init; } = 1;
}
