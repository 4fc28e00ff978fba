using ModelCompression.Numerics;
using ModelCompression.Numerics.NBits;
using ModelCompression.Statistics;

namespace ModelCompression.Tests.Numerics;

/// <summary>What takes seconds on wide layers stops in the midst of it.</summary>
[TestClass]
public sealed class CancelledWorkTests
{
    private const int Width = 150;

    public static IEnumerable<object[]> Works => Steps(default).Keys.Select(k => new object[] { k });

    [TestMethod]
    [DynamicData(nameof(Works))]
    public void Cancelled_Stops(string work)
    {
        Steps(default)[work]();
        using var stop = new CancellationTokenSource();
        // What has to be made before the work is made before it is cancelled.
        var step = Steps(stop.Token)[work];
        stop.Cancel();
        Assert.Throws<OperationCanceledException>(step);
    }

    private static Dictionary<string, Action> Steps(CancellationToken token)
    {
        float[] rows = [.. Enumerable.Range(0, 2 * Width * Width).Select(i => MathF.Sin(i * i))], few = rows[..(4 * Width)], gram = new float[Width * Width];
        GramKernel.Add(rows, 200, Width, gram, CancellationToken.None);
        double[] wide = Array.ConvertAll(gram, g => (double)g), right = new double[Width * 3], joined = new double[(Width + 4) * (Width + 4)];
        for (int i = 0; i < Width + 4; i++)
            for (int j = 0; j < Width + 4; j++) joined[(i * (Width + 4)) + j] = i < Width && j < Width ? wide[(i * Width) + j] : 1;
        var factor = CholeskyFactor.TryCreate(wide, Width, token)!;
        var moments = Moments.Of(joined, Width, 3, centred: false, token);
        var data = RegressionRows.Of(few, [], Width - 4, 3, centred: true, token);
        var update = ObsUpdate.FromRows(few, Width, cancellation: token)!;
        return new()
        {
            ["products of rows"] = () => GramKernel.Add(rows, 200, Width, gram, token),
            ["factor"] = () => CholeskyFactor.TryCreate(wide, Width, token),
            ["solve"] = () => factor.Solve(right, 3),
            ["inverse of the factor"] = () => factor.InverseOfLower(),
            ["fit to moments"] = () => RidgeRegression.Fit(moments, right, 1),
            ["fit of some elements"] = () => RidgeRegression.Fit(moments, right, 1, new bool[right.Length]),
            ["error of moments"] = () => moments.SquaredError(right),
            ["error of rows"] = () => data.SquaredError(right[..(3 * (Width - 4))]),
            ["removal by many rows"] = () => ObsUpdate.TryCreate(wide, Width, cancellation: token),
            ["removal by few rows"] = () => ObsUpdate.FromRows(few, Width, cancellation: token),
            ["removal"] = () => update.RemoveShare(rows[..(8 * Width)], Width, 0.5),
            ["factor of the inverse"] = () => InverseFactor.TryMake(gram, Width, 200, token),
            ["learnt rounding"] = () => new AdaptiveRounding(gram, Width, 3, 15, token).Round(few.AsSpan(0, Width), [new GroupMap(0.1f, 7)], Width, new byte[Width]),
            ["moments of a sample"] = () => Measured(rows, token),
        };
    }

    private static void Measured(float[] rows, CancellationToken token)
    {
        var statistic = new RegressionStatistic(TensorRows.Along(-1), TensorRows.Along(-1), int.MaxValue, cancellation: token);
        var view = new TensorView(rows, [rows.Length / 10, 10], 0);
        statistic.Measure(view, view);
        if (statistic.Moments(0, 0).IsEmpty) Assert.Fail("Nothing was measured.");
    }
}
