using ModelCompression.Data;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Runtime;
using ModelCompression.Runtime.Calibration;
using ModelCompression.Statistics;
using ModelCompression.Tests.Runtime;

namespace ModelCompression.Tests.Statistics;

[TestClass]
public sealed class CollectionStagesTests
{
    /// <summary>Every number is a small multiple of 1/4: sums are exact whatever their order.</summary>
    private const float Step = 0.25f;

    [TestMethod]
    public void Stages_StartFromWhatIsFinal()
    {
        var graph = new Layers();
        var stages = CollectionStages.Of(graph.Model, graph.Turns);

        CollectionAssert.AreEquivalent(new[] { "first_actual", "first", "codes" }, Names(stages[0].Outputs));
        CollectionAssert.AreEquivalent(new[] { "first", "codes" }, Names(stages[0].Kept), "codes, not the numbers they stand for");
        CollectionAssert.AreEqual(Array.Empty<string>(), Names(stages[0].Read));
        CollectionAssert.AreEquivalent(new[] { "second_actual", "second" }, Names(stages[1].Outputs));
        CollectionAssert.AreEquivalent(new[] { "first" }, Names(stages[1].Read));
        CollectionAssert.AreEqual(new[] { "first" }, Names(stages[1].Spent));
        CollectionAssert.AreEqual(new[] { "third_actual" }, Names(stages[2].Outputs));
        CollectionAssert.AreEquivalent(new[] { "second", "codes" }, Names(stages[2].Read));
        CollectionAssert.AreEqual(Array.Empty<string>(), Names(stages[2].Kept));
    }

    /// <summary>Up to 16 samples run stage by stage, more through the whole model.</summary>
    [TestMethod]
    [DataRow(1)]
    [DataRow(5)]
    [DataRow(16)]
    [DataRow(17)]
    public void CollectInTurn_Stages_GiveWhatTheWholeModelGives(int samples)
    {
        var rows = new Rows(samples);

        var expected = Run(new WholeModel(new Calibrator(rows, 300, 1)));
        foreach (int threads in new[] { 1, 3 }) CollectionAssert.AreEqual(expected, Run(new Calibrator(rows, 300, threads)));
        Assert.AreNotEqual(0f, expected[^1].Max);
    }

    /// <summary>Six edits are more than start from the same values.</summary>
    [TestMethod]
    [DataRow(5)]
    [DataRow(17)]
    public void CollectFromEdits_GivesWhatWholeCopiesGive(int samples)
    {
        var rows = new Rows(samples);
        string[] changed = ["first", "first_actual", "second", "third", "third_actual", "numbers"];

        var expected = Edit(new WholeModel(new Calibrator(rows, 300, 1)), changed, samples);
        foreach (int threads in new[] { 1, 3 }) CollectionAssert.AreEqual(expected, Edit(new Calibrator(rows, 300, threads), changed, samples));
        Assert.IsGreaterThanOrEqualTo(changed.Length - 1, expected.Distinct().Count());
    }

    [TestMethod]
    public void CollectFromEdits_SampleTheModelRefuses_NamesIt()
    {
        var rows = new Rows(3) { WrongWidthFrom = 1 };
        var error = Assert.ThrowsExactly<DiagnosticException>(() => Edit(new Calibrator(rows, 300, 2), ["first", "second"], 3));
        Assert.AreEqual("MCB2041", error.Diagnostic.Code);
        StringAssert.StartsWith(error.Diagnostic.Message, "Calibration sample 1: ");
    }

    /// <summary>Triples one value each.</summary>
    private static (float Min, float Max, int Count)[] Edit(IStatisticsSource source, string[] changed, int samples)
    {
        var graph = new Layers();
        foreach (var shift in graph.Shifts)
        {
            var constant = graph.Model.Weight(shift.Name + "_fixed", Tensor.Float([1], Step));
            shift.ReplaceAllUsesWith(constant);
            graph.Model.Graph.RemoveInput(shift);
        }

        var found = new RangeStatistic[changed.Length];
        var values = graph.Model.Graph.Nodes.SelectMany(n => n.Outputs).ToDictionary(v => v!.Name, v => v!);
        source.CollectFromEdits(graph.Model, [.. changed.Select((name, i) => new ModelEdit([values[name]], () => Tripled(i)))], samples);
        return [.. found.Select(f => (f.Min, f.Max, f.SampleCount))];

        (ModelCopy Copy, StatisticsPlan Plan) Tripled(int index)
        {
            var copy = ModelCopy.Of(graph.Model);
            var value = copy.Values[values[changed[index]]];
            var uses = value.Uses.ToArray();
            var three = copy.Model.Weight("three", Tensor.Float([], 3f));
            var tripled = copy.Model.Graph.AddNode("Mul", [value, three], ["tripled"], index: copy.Model.Graph.IndexOf(value.Producer!) + 1).Outputs[0]!;
            foreach (var use in uses) use.Node.SetInput(use.Index, tripled);
            var plan = new StatisticsPlan { SampleLimit = samples };
            found[index] = plan.Need(copy.Model.Graph.Outputs[0], RangeStatistic.Key, () => new RangeStatistic());
            return (copy, plan);
        }
    }

    private static (float Min, float Max, int Count)[] Run(IStatisticsSource source)
    {
        var graph = new Layers();
        var found = new List<RangeStatistic>();
        var current = graph.Shifts.ToDictionary(s => s, _ => Tensor.Float([1], 0f));
        source.CollectInTurn(graph.Model, graph.Turns, Plans());
        return [.. found.Select(f => (f.Min, f.Max, f.SampleCount))];

        IEnumerable<StatisticsPlan> Plans()
        {
            for (int t = 0; t < graph.Turns.Count; t++)
            {
                var plan = new StatisticsPlan { Inputs = current };
                found.Add(plan.Need(graph.Turns[t].Tensors[0], RangeStatistic.Key, () => new RangeStatistic()));
                yield return plan;
                current[graph.Shifts[t]] = Tensor.Float([1], found[^1].Max - (3 * Step));
            }
        }
    }

    private static string[] Names(IEnumerable<Value> values) => [.. values.Select(v => v.Name)];

    /// <summary>Three products one behind the other, each with a shift and a Relu behind it; the third reads codes of the input, too.</summary>
    private sealed class Layers
    {
        public Layers()
        {
            Model = SmallModel.Empty();
            var x = Model.Input("x", DataType.Float, Dimension.OfSymbol("N"), 2);
            var scale = Model.Weight("scale", Tensor.Float([], Step));
            var codes = Model.Node("QuantizeLinear", "codes", Model.Node("Abs", "abs", x), scale, Model.Weight("zero", Tensor.Create(DataType.UInt8, [], new byte[1])));
            var numbers = Model.Node("DequantizeLinear", "numbers", codes, scale, codes.Producer!.Inputs[2]);
            var first = Layer("first", x, 1, -1, 2, 0.5f);
            var second = Layer("second", first, 1, 1, -1, 2);
            var third = Layer("third", Model.Node("Sub", "difference", second, numbers), 0.5f, -1, 1, 1);
            Model.Output(Model.Node("Neg", "y", third), DataType.Float, Dimension.OfSymbol("N"), 2);
        }

        public Model Model { get; }

        public List<Value> Shifts { get; } = [];

        public List<CollectionTurn> Turns { get; } = [];

        private Value Layer(string name, Value x, params float[] weights)
        {
            var product = Model.Node("MatMul", name, x, Model.Weight(name + "_w", Tensor.Float([2, 2], weights)));
            Shifts.Add(Model.Input(name + "_shift", DataType.Float, 1));
            var actual = Model.Node("Relu", name + "_actual", Model.Node("Add", name + "_sum", product, Shifts[^1]));
            Turns.Add(new([actual], [Shifts[^1]]));
            return actual;
        }
    }

    /// <summary>One to three rows each.</summary>
    private sealed class Rows(int count) : SampleSource
    {
        public int WrongWidthFrom { get; init; } = int.MaxValue;

        public override SampleOrigin Origin => SampleOrigin.Calibration;

        public override int Count => count;

        public override Sample Read(int attempt, int index)
        {
            int rows = 1 + (index % 3);
            long[] dims = index >= WrongWidthFrom ? [2 * rows, 1] : [rows, 2];
            return new([new("x", new TensorValue(Tensor.Float(dims, [.. Enumerable.Range(0, 2 * rows).Select(i => ((7 * index) + (3 * i)) % 11 * Step)])))]);
        }
    }

    /// <summary>Hides that a source can do better.</summary>
    private sealed class WholeModel(Calibrator inner) : IStatisticsSource
    {
        public int SampleCount => inner.SampleCount;

        public void Collect(Model model, StatisticsPlan plan, CancellationToken cancellation = default) => inner.Collect(model, plan, cancellation);
    }
}
