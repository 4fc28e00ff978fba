using System.Numerics;
using ModelCompression.Analysis.Views;

namespace ModelCompression.Passes.Quantization.Static;

/// <summary>Balances the noise of a convolution's input channels against that of its weights.</summary>
/// <remarks>
/// With scales s_c on the float side the weights become W·s_c. Rounding the input costs Σ_m Σ_c s_c²·‖W_mc‖²/12, rounding the weights Σ_m t_m²/12·Σ_c E[x_c²]/s_c² with t_m = max_c |W_mc|·s_c/127.
/// each divided by the power Σ_c ‖W_mc‖²·E[x_c²] of its output m, since what follows scales outputs as it needs them.
/// The first wants each s_c as small as the channel's range r_c allows; the second wants all |W_mc|·s_c alike. Tried are s_c = max(r_c, λ/w_c) with w_c = max_m |W_mc| for λ from 0 up; the one
/// with the least sum is taken. Akin to SmoothQuant (Xiao et al., ICML 2023), which moves difficulty by a fixed exponent.
/// </remarks>
internal sealed class ScaleBalance
{
    private const int Steps = 24;
    private const int HighestCode = 127;

    private readonly ConvView view;
    private readonly double[] largest;
    private readonly double[] energy;

    private readonly double[] importance;

    private ScaleBalance(ConvView view, ReadOnlySpan<float> weight, ReadOnlySpan<double> meanSquares)
    {
        this.view = view;
        largest = new double[view.OutputChannels * view.InputChannelsPerGroup];
        energy = new double[view.InputChannels];
        importance = new double[view.OutputChannels];
        int kernel = weight.Length / largest.Length;
        double[] squares = new double[largest.Length];
        for (int i = 0; i < largest.Length; i++)
            foreach (float w in weight.Slice(i * kernel, kernel))
            {
                largest[i] = Math.Max(largest[i], Math.Abs(w));
                squares[i] += (double)w * w;
            }

        int width = view.InputChannelsPerGroup;
        for (int m = 0; m < importance.Length; m++)
        {
            int first = FirstInputOf(m);
            for (int c = 0; c < width; c++) importance[m] += squares[(m * width) + c] * meanSquares[first + c];
            importance[m] = importance[m] > 0 ? 1 / importance[m] : 0;
            for (int c = 0; c < width; c++) energy[first + c] += squares[(m * width) + c] * importance[m];
        }
    }

    /// <summary>The best scales for a convolution.</summary>
    /// <param name="view">The convolution.</param>
    /// <param name="weight">Its weights.</param>
    /// <param name="scales">r_c: the scales the ranges need.</param>
    /// <param name="meanSquares">E[x_c²].</param>
    public static float[] Balance(ConvView view, ReadOnlySpan<float> weight, float[] scales, ReadOnlySpan<double> meanSquares)
    {
        var balance = new ScaleBalance(view, weight, meanSquares);
        double[] reach = balance.LargestPerInput();
        double top = 0, bottom = double.PositiveInfinity;
        for (int c = 0; c < scales.Length; c++)
        {
            if (reach[c] == 0) continue;
            (top, bottom) = (Math.Max(top, scales[c] * reach[c]), Math.Min(bottom, scales[c] * reach[c]));
        }

        float[] best = scales;
        double least = balance.Noise(scales, meanSquares);
        if (top == 0) return best;
        for (int step = 0; step < Steps; step++)
        {
            double level = bottom * Math.Pow(top / bottom, (step + 1.0) / Steps);
            float[] tried = new float[scales.Length];
            for (int c = 0; c < tried.Length; c++) tried[c] = reach[c] == 0 ? scales[c] : (float)Math.Max(scales[c], level / reach[c]);
            double noise = balance.Noise(tried, meanSquares);
            if (noise < least) (least, best) = (noise, tried);
        }

        return best;
    }

    private double Noise(float[] scales, ReadOnlySpan<double> meanSquares)
    {
        double noise = 0;
        for (int c = 0; c < scales.Length; c++) noise += (double)scales[c] * scales[c] * energy[c];
        int width = view.InputChannelsPerGroup, kernel = (int)view.Window.Kernel.Aggregate(1L, (a, k) => a * k);
        double[] spread = new double[view.Group];
        for (int c = 0; c < scales.Length; c++) spread[c / width] += meanSquares[c] * kernel / ((double)scales[c] * scales[c]);
        double[] wide = Array.ConvertAll(scales, s => (double)s);
        for (int m = 0; m < view.OutputChannels; m++)
        {
            int first = FirstInputOf(m);
            double top = LargestProduct(largest.AsSpan(m * width, width), wide.AsSpan(first, width));
            noise += importance[m] * top * top / (HighestCode * HighestCode) * spread[first / width];
        }

        return noise;
    }

    /// <summary>The largest of the products of numbers that are not negative; the same bits for any width of vectors.</summary>
    private static double LargestProduct(ReadOnlySpan<double> x, ReadOnlySpan<double> y)
    {
        var most = Vector<double>.Zero;
        int i = 0;
        for (; i <= x.Length - Vector<double>.Count; i += Vector<double>.Count) most = Vector.Max(most, new Vector<double>(x[i..]) * new Vector<double>(y[i..]));
        double top = 0;
        for (int lane = 0; lane < Vector<double>.Count; lane++) top = Math.Max(top, most[lane]);
        for (; i < x.Length; i++) top = Math.Max(top, x[i] * y[i]);
        return top;
    }

    private double[] LargestPerInput()
    {
        double[] reach = new double[view.InputChannels];
        int width = view.InputChannelsPerGroup;
        for (int m = 0; m < view.OutputChannels; m++)
        {
            int first = FirstInputOf(m);
            for (int c = 0; c < width; c++) reach[first + c] = Math.Max(reach[first + c], largest[(m * width) + c]);
        }

        return reach;
    }

    /// <summary>The first of the inputs that an output is computed from.</summary>
    private int FirstInputOf(int output) => output / (view.OutputChannels / view.Group) * view.InputChannelsPerGroup;
}
