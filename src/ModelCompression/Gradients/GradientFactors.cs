using ModelCompression.Numerics.Products;
using ModelCompression.Onnx.Graph;

namespace ModelCompression.Gradients;

/// <summary>Which gradients of weights a graph leaves as two outputs, whose product they are, to whoever runs it.</summary>
public enum FactorForm
{
    /// <summary>None: all gradients are outputs.</summary>
    None,

    /// <summary>Those of convolutions, where a runtime has no operator that gathers what a window meets.</summary>
    Convolutions,

    /// <summary>Those of convolutions, and of matrices that have more elements than what they are multiplied with.</summary>
    All,
}

/// <summary>A gradient of a weight as two outputs of the graph.</summary>
/// <param name="Left">Name of the first.</param>
/// <param name="Right">Name of the second.</param>
public abstract record GradientFactors(string Left, string Right);

/// <summary>∂w = s·LᵀR.</summary>
/// <param name="Left">Name of L [rows, columns of L].</param>
/// <param name="Right">Name of R [rows, columns of R].</param>
/// <param name="LeftColumns">Columns of L.</param>
/// <param name="RightColumns">Columns of R.</param>
/// <param name="Scale">s.</param>
public sealed record MatrixFactors(string Left, string Right, int LeftColumns, int RightColumns, float Scale) : GradientFactors(Left, Right);

/// <summary>∂w = ∂y · cols(x)ᵀ.</summary>
/// <param name="Left">Name of the input x [N, C, …].</param>
/// <param name="Right">Name of the gradient ∂y [N, M, …] of the output.</param>
/// <param name="Sizes">The convolution.</param>
/// <param name="AreLeftRows">True if x is given as rows [positions, C].</param>
/// <param name="AreRightRows">True if ∂y is given as rows [positions, M].</param>
public sealed record ConvolutionFactors(string Left, string Right, ConvolutionSizes Sizes, bool AreLeftRows, bool AreRightRows) : GradientFactors(Left, Right);

/// <summary>Factors whose values are not outputs yet, with their sizes.</summary>
internal sealed record FactorValues((Value Value, long[] Dims) Left, (Value Value, long[] Dims) Right, Func<string, string, GradientFactors> Named);

/// <summary>Gradients that rules give as factors.</summary>
internal sealed class FactorOutputs
{
    private readonly Dictionary<Value, FactorValues?> factors = new(ReferenceEqualityComparer.Instance);
    private readonly HashSet<Value> matrices = new(ReferenceEqualityComparer.Instance);
    private readonly GradientRequest request;

    /// <summary>Notes which weights may be split: those whose gradient is asked for once and which are used once.</summary>
    /// <param name="weights">The wanted weights in the graph, before it has backward nodes.</param>
    /// <param name="request">What is asked for.</param>
    public FactorOutputs(IReadOnlyList<Value> weights, GradientRequest request)
    {
        this.request = request;
        for (int i = 0; i < weights.Count && request.Factors != FactorForm.None; i++)
        {
            if (request.GateAxes?[i] is not null || weights[i].Uses.Count != 1 || weights[i].IsGraphOutput || weights.Count(w => w == weights[i]) > 1) continue;
            factors.Add(weights[i], null);
            if (request.SplitMatrices?[i] == true) matrices.Add(weights[i]);
        }
    }

    /// <summary>True if the gradient of a convolution's weight is to be split.</summary>
    public bool SplitsConvolution(Value weight) => factors.ContainsKey(weight);

    /// <summary>True if the gradient of a matrix is to be split.</summary>
    /// <param name="weight">The matrix.</param>
    /// <param name="rows">Rows that it is multiplied with.</param>
    /// <param name="left">Its rows or columns.</param>
    /// <param name="right">The others.</param>
    public bool SplitsMatrix(Value weight, long rows, long left, long right) => request.Factors == FactorForm.All && factors.ContainsKey(weight)
        && (request.SplitMatrices is null ? rows * (left + right) < left * right : matrices.Contains(weight));

    /// <summary>States the factors of a weight.</summary>
    public void Set(Value weight, FactorValues values) => factors[weight] = values;

    /// <summary>The factors of a weight, or null.</summary>
    public FactorValues? Of(Value weight) => factors.GetValueOrDefault(weight);
}
