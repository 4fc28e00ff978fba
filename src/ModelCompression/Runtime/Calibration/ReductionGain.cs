namespace ModelCompression.Runtime.Calibration;

/// <summary>
/// Nanoseconds that reducing tensors is expected to save, per sample and for opening a session. The figures were measured with models from 0.6 to 85 ms per sample; only their ratios matter,
/// and no clock, so that the same is done everywhere.
/// </summary>
internal static class ReductionGain
{
    /// <summary>Per element: to bring a tensor into the model's layout, write it out, and look at it.</summary>
    private const double Whole = 0.65;

    /// <summary>Per element: to find the largest where the tensor has just been computed, and to mirror it before.</summary>
    private const double Pooled = 0.05, Mirrored = 0.15;

    /// <summary>Per node of the model, and in each run: to optimize it when a session is opened, and to call it.</summary>
    private const double Opened = 70_000, Called = 3_000;

    /// <summary>Of a tensor that no further sample is looked at.</summary>
    /// <param name="elements">Elements of the tensor.</param>
    /// <param name="samples">Samples that are left.</param>
    public static double OfSettled(double elements, int samples) => samples * elements * Whole;

    /// <summary>Of a tensor that is reduced.</summary>
    /// <param name="elements">Elements of the tensor.</param>
    /// <param name="samples">Samples that are left.</param>
    /// <param name="pools">Nodes added that look for the largest; each is followed by one that brings what it finds into the model's layout.</param>
    /// <param name="mirrors">Nodes added that mirror it.</param>
    public static double OfReduced(double elements, int samples, int pools, int mirrors)
    {
        int nodes = (2 * pools) + mirrors;
        return (samples * ((elements * (Whole - (Pooled * pools) - (Mirrored * mirrors))) - (Called * nodes))) - (Opened * nodes);
    }

    /// <summary>What opening a session costs.</summary>
    /// <param name="nodes">Nodes of the model.</param>
    public static double ToOpen(int nodes) => Opened * nodes;
}
