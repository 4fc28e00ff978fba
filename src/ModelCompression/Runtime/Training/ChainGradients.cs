using ModelCompression.Gradients;
using ModelCompression.Numerics.Products;

namespace ModelCompression.Runtime.Training;

/// <summary>The backward pass along a <see cref="ConvolutionChain"/>, with memory that one thread works in.</summary>
internal sealed class ChainGradients
{
    private readonly ConvolutionChain chain;
    private readonly InputGradient?[] inputs;
    private LineAligned present;
    private LineAligned next;

    /// <summary>Prepares the weights.</summary>
    public ChainGradients(ConvolutionChain chain)
    {
        this.chain = chain;
        inputs = [.. chain.Links.Select((l, i) => i == 0 ? null : InputGradient.Create(l.Sizes, l.Weight.AsSpan<float>()))];
        int length = chain.Links.Max(l => l.Sizes.OutputLength);
        (present, next) = (new(length), new(length));
    }

    /// <summary>Finds an output of a run by its name.</summary>
    public delegate ReadOnlySpan<float> Outputs(string name);

    /// <summary>Adds the gradients of the weights, from the last convolution to the first.</summary>
    /// <param name="output">Outputs of the run.</param>
    /// <param name="kernels">Takes the weights' gradients, by their numbers in the request.</param>
    public void AddTo(WeightGradient?[] kernels, Outputs output)
    {
        var last = chain.Links[^1];
        var gradient = present.Span[..last.Sizes.OutputLength];
        ToRows(output(chain.Gradient), last.Sizes, gradient);
        InputGradient.Mask(gradient, output(chain.Result), last.Limits);
        for (int k = chain.Links.Count - 1; k >= 0; k--)
        {
            var link = chain.Links[k];
            var input = output(link.Input);
            if (link.Wanted is { } weight) kernels[weight]!.Add(input, link.AreInputRows, present.Span[..link.Sizes.OutputLength], hasOutputRows: true);
            if (k == 0) break;
            inputs[k]!.Compute(present.Span[..link.Sizes.OutputLength], input, chain.Links[k - 1].Limits, next.Span[..link.Sizes.InputLength]);
            (present, next) = (next, present);
        }
    }

    private void ToRows(ReadOnlySpan<float> gradient, ConvolutionSizes sizes, Span<float> rows)
    {
        int positions = sizes.Rows.Positions * sizes.Columns.Positions, sample = positions * sizes.Filters;
        if (chain.GradientForm == PixelForm.Rows) gradient.CopyTo(rows);
        else if (chain.GradientForm == PixelForm.Repeated)
            for (int i = 0; i < rows.Length; i += sizes.Filters) gradient.Slice(i / sample * sizes.Filters, sizes.Filters).CopyTo(rows[i..]);
        else
            for (int n = 0; n < sizes.Samples; n++) Planes.ToPixels(gradient[(n * sample)..], positions, sizes.Filters, positions, rows[(n * sample)..], sizes.Filters);
    }
}
