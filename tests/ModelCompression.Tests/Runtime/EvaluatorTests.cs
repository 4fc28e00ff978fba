using ModelCompression.Data;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Options;
using ModelCompression.Runtime;
using ModelCompression.Runtime.Evaluation;
using ModelCompression.Testing;
using static ModelCompression.Tests.Data.ArrayFile;

namespace ModelCompression.Tests.Runtime;

[TestClass]
public sealed class EvaluatorTests
{
    // Six one-hot samples: the scores of sample i are row i mod 3 of the weights.
    private static readonly float[] Rows = [.. Enumerable.Range(0, 6).SelectMany(i => Enumerable.Range(0, 3).Select(j => i % 3 == j ? 1f : 0f))];
    private static readonly float[] Identity = [9, 0, 0, 0, 9, 0, 0, 0, 9];
    private static readonly float[] Confused = [9, 0, 0, 9.5f, 9, 0, 0, 0, 9]; // class 1 is taken for class 0

    [TestMethod]
    public void Evaluate_Labels_CountsHits()
    {
        var result = Evaluate(null, Identity, Confused, ("x", Floats("6, 3", Rows)), ("labels", Longs("6,", 0, 1, 2, 0, 1, 1)));
        Assert.AreEqual(Metric.Top1, result.Metric);
        Assert.AreEqual(MetricReference.Labels, result.Reference);
        Assert.AreEqual(6, result.Samples);
        Assert.AreEqual(5.0 / 6, result.Original, 1e-12);
        Assert.AreEqual(3.0 / 6, result.Compressed, 1e-12);
        Assert.AreEqual(2.0 / 6, result.Drop, 1e-12);
        Assert.AreEqual(1.0, Evaluate(Metric.Top5, Identity, Confused, ("x", Floats("6, 3", Rows)), ("labels", Longs("6,", 0, 1, 2, 0, 1, 1))).Compressed, "three classes are all among five");
    }

    [TestMethod]
    public void Evaluate_ExpectedOutputs_AreTheReferenceOfBoth()
    {
        var arrays = new[] { ("x", Floats("3, 3", Rows[..9])), ("output:scores", Floats("3, 3", 9, 0, 0, 0, 8, 0, 0, 0, 9)) };
        var mse = Evaluate(Metric.Mse, Identity, Confused, arrays);
        Assert.AreEqual(MetricReference.ExpectedOutputs, mse.Reference);
        Assert.AreEqual(1.0 / 9, mse.Original, 1e-9);
        Assert.AreEqual((1 + (9.5 * 9.5)) / 9, mse.Compressed, 1e-9);
        Assert.AreEqual(9.5 * 9.5 / 9, mse.Drop, 1e-9);
        var mae = Evaluate(Metric.Mae, Identity, Confused, arrays);
        Assert.AreEqual(10.5 / 9, mae.Compressed, 1e-9);
        var sqnr = Evaluate(Metric.Sqnr, Identity, Confused, arrays);
        Assert.AreEqual(10 * Math.Log10((81 + 64 + 81) / (1 + (9.5 * 9.5))), sqnr.Compressed, 1e-9);
    }

    [TestMethod]
    public void Evaluate_WithoutReference_ComparesWithTheOriginal()
    {
        var arrays = new[] { ("x", Floats("3, 3", Rows[..9])) };
        var cosine = Evaluate(null, Identity, Confused, arrays);
        Assert.AreEqual(Metric.Cosine, cosine.Metric);
        Assert.AreEqual(1, cosine.Original, 1e-12);
        Assert.AreEqual((2 + (9 / Math.Sqrt(81 + (9.5 * 9.5)))) / 3, cosine.Compressed, 1e-7);
        var sqnr = Evaluate(Metric.Sqnr, Identity, Identity, arrays);
        Assert.AreEqual(double.PositiveInfinity, sqnr.Compressed);
        Assert.AreEqual(0, sqnr.Drop);
        var broken = Assert.ThrowsExactly<DiagnosticException>(() => Evaluate(Metric.Mse, Identity, [9, 0, 0, 0, float.NaN, 0, 0, 0, 9], arrays));
        Assert.AreEqual("MCB4042", broken.Diagnostic.Code);
    }

    [TestMethod]
    [DataRow(Metric.Cosine)]
    [DataRow(Metric.Sqnr)]
    [DataRow(Metric.Mse)]
    [DataRow(Metric.Mae)]
    public void Evaluate_NothingToCompareWith_IsACodedErrorAndNoValue(Metric metric)
    {
        float[] rows = [.. Rows[..9]];
        rows[3] = rows[4] = rows[5] = float.NaN;
        var notFinite = Assert.ThrowsExactly<DiagnosticException>(() => Evaluate(metric, Identity, Confused, ("x", Floats("3, 3", rows))));
        Assert.AreEqual("MCB3018", notFinite.Diagnostic.Code);
        Assert.Contains("in 1 of 3 samples", notFinite.Message);

        using var folder = new TemporaryFolder();
        using var model = SmallModel.Empty();
        var x = model.Input("x", Onnx.Tensors.DataType.Float, Onnx.Tensors.Dimension.OfSymbol("N"), 3);
        model.Output(model.Node("ArgMax", "class", x), Onnx.Tensors.DataType.Int64, 1, 3);
        using var data = DataSet.Open([Npz(folder.Combine("d.npz"), ("x", Floats("3, 3", Rows[..9])))], ModelInterface.Of(model));
        string path = model.Save(folder, "a.onnx");
        var integers = Assert.ThrowsExactly<DiagnosticException>(() => Evaluator.Evaluate(path, path, data, metric, 1));
        Assert.AreEqual("MCB3018", integers.Diagnostic.Code);
        Assert.Contains("floating point", integers.Message);
    }

    [TestMethod]
    public void Evaluate_AnyNumberOfThreads_SameResult()
    {
        float[] noisy = [.. Enumerable.Range(0, 300).Select(i => (float)Math.Sin(i * i))];
        var arrays = new[] { ("x", Floats("100, 3", noisy)) };
        foreach (var metric in new[] { Metric.Cosine, Metric.Sqnr, Metric.Mse, Metric.Mae })
        {
            var one = Evaluate(metric, Identity, Confused, 1, arrays);
            for (int threads = 2; threads <= 5; threads++)
            {
                var several = Evaluate(metric, Identity, Confused, threads, arrays);
                CollectionAssert.AreEqual(one.Predictions.ToArray(), several.Predictions.ToArray());
                Assert.AreEqual(one with { Predictions = [] }, several with { Predictions = [] });
            }
        }
    }

    [TestMethod]
    public void Evaluate_WhatTheDataCannotGive_IsACodedError()
    {
        var noLabels = Assert.ThrowsExactly<DiagnosticException>(() => Evaluate(Metric.Top1, Identity, Confused, ("x", Floats("3, 3", Rows[..9]))));
        Assert.AreEqual("MCB3016", noLabels.Diagnostic.Code);
        var shape = Assert.ThrowsExactly<DiagnosticException>(() => Evaluate(Metric.Mse, Identity, Confused, ("x", Floats("3, 3", Rows[..9])), ("output:scores", Floats("3, 4", new float[12]))));
        Assert.AreEqual("MCB3008", shape.Diagnostic.Code);
    }

    private static EvaluationResult Evaluate(Metric? metric, float[] original, float[] compressed, params (string, byte[])[] arrays) => Evaluate(metric, original, compressed, 2, arrays);

    private static EvaluationResult Evaluate(Metric? metric, float[] original, float[] compressed, int threads, params (string, byte[])[] arrays)
    {
        using var folder = new TemporaryFolder();
        using var model = SmallModel.Linear(3, 3, original);
        using var other = SmallModel.Linear(3, 3, compressed);
        using var data = DataSet.Open([Npz(folder.Combine("d.npz"), arrays)], ModelInterface.Of(model));
        return Evaluator.Evaluate(model.Save(folder, "a.onnx"), other.Save(folder, "b.onnx"), data, metric, threads);
    }
}
