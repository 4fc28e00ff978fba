using ModelCompression.Analysis;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Runtime;
using ModelCompression.Testing;
using ValueType = ModelCompression.Onnx.Tensors.ValueType;

namespace ModelCompression.Tests.Analysis;

/// <summary>Inferred types against what ONNX Runtime really computes, over published models.</summary>
[TestClass]
public sealed class ShapeInferenceCorpusTests
{
    public TestContext TestContext { get; set; } = null!;

    [TestMethod]
    public void Run_ConformanceModels_AgreesWithObservedShapes()
    {
        var files = Directory.EnumerateFiles(ModelZoo.OnnxTestData(), "*.onnx", SearchOption.AllDirectories).Order(StringComparer.Ordinal).ToList();
        var total = new Tally();
        foreach (string file in files) Check(file, total);
        TestContext.WriteLine(total.ToString());
        Assert.IsEmpty(total.Contradictions, string.Join('\n', total.Contradictions.Take(20)));
        Assert.IsGreaterThan(800, total.Observed, "too few values were observed to mean anything");
        Assert.IsGreaterThan(0.97, total.ResolvedFraction, string.Join('\n', total.Unresolved.Take(60)));
    }

    [TestMethod]
    [DataRow("ppocr-v4/ch_PP-OCRv4_rec_infer.onnx")]
    [DataRow("ppocr-v4/ch_PP-OCRv4_det_infer.onnx")]
    [DataRow("ppocr-v4/ch_ppocr_mobile_v2.0_cls_infer.onnx")]
    [DataRow("silero-vad/silero_vad_legacy.onnx")]
    // These squeeze an axis only if its size, which depends on the length of the input, is 1: ranks follow from the length alone.
    [DataRow("silero-vad/silero_vad_v5.onnx", 0.82)]
    [DataRow("silero-vad/silero_vad_v6.onnx", 0.82)]
    [DataRow("blazeface/face_detection_front_128x128_barracuda.onnx")]
    [DataRow("blazeface/face_detection_back_256x256_barracuda.onnx")]
    [DataRow("mlsd/mlsd_320x320_large.onnx")]
    [DataRow("mlsd/mlsd_320x320_tiny.onnx")]
    [DataRow("speech-embedding/embedding_model.onnx")]
    [DataRow("speech-embedding/melspectrogram.onnx")]
    [DataRow("whisper-tiny/encoder_model_quantized.onnx")]
    [DataRow("whisper-tiny/decoder_model_merged_quantized.onnx")]
    public void Run_RealModel_AgreesWithObservedShapes(string name, double minResolved = 0.97)
    {
        var total = new Tally();
        Check(ModelZoo.Path(name), total);
        TestContext.WriteLine($"{name}: {total}");
        Assert.IsEmpty(total.Contradictions, string.Join('\n', total.Contradictions.Take(20)));
        Assert.IsGreaterThan(0, total.Observed, string.Join('\n', total.NotRun));
        Assert.IsGreaterThan(minResolved, total.ResolvedFraction, string.Join('\n', total.Unresolved.Take(40)));
        Assert.IsGreaterThan(0.97, total.StaticFraction, string.Join('\n', total.NotStatic.Take(40)));
    }

    private static void Check(string file, Tally total)
    {
        Model model;
        try
        {
            model = OnnxReader.Read(file);
        }
        catch (DiagnosticException e)
        {
            total.NotRun.Add($"{file}: {e.Message}");
            return;
        }

        using (model)
        {
            // Only what the rules find counts: what the file declares of anything but inputs is taken away first.
            var declared = Strip(model);
            var inference = ShapeInference.Run(model);
            total.Add(file, inference);
            foreach (var (value, type) in declared) value.Type = type;
            var computed = model.Graph.Nodes.SelectMany(n => n.Outputs).OfType<Value>().ToList();
            SampleSource samples = KnownInputs.TryFor(model) ?? ConformanceCase.TryRead(file, model) ?? (SampleSource)SyntheticInputs.For(model);
            var observed = ObservedTypes.Observe(model, computed, samples);
            if (observed.Types.Count == 0 && computed.Count > 0) total.NotRun.Add($"{file}: {observed.Missing[0].Reason}");
            var symbols = new Dictionary<string, long>(StringComparer.Ordinal);
            foreach (var (value, type) in observed.Types)
            {
                total.Observed++;
                if (inference.TypeOf(value) is { } inferred && Contradicts(inferred, type, symbols)) total.Contradictions.Add($"{file}: {value.Producer} '{value.Name}' inferred {Text(inferred)}, observed {Text(type)}");
            }

            if (observed.Inputs is null) return;
            var evaluated = ShapeInference.Evaluate(model, ObservedTypes.ShapesOf(observed.Inputs));
            foreach (var (value, type) in observed.Types)
                if (evaluated.TypeOf(value) is { } inferred && Contradicts(inferred, type, symbols)) total.Contradictions.Add($"{file}: {value.Producer} '{value.Name}' evaluated {Text(inferred)}, observed {Text(type)}");
            total.AddEvaluated(file, evaluated);
        }
    }

    private static Dictionary<Value, ValueType?> Strip(Model model)
    {
        var declared = model.Graph.Outputs.Distinct().ToDictionary(o => o, o => o.Type);
        foreach (var value in model.AllGraphs().SelectMany(g => g.Nodes).SelectMany(n => n.Outputs).OfType<Value>()) value.Type = null;
        return declared;
    }

    private static string Text(ValueType type) => type is TensorType t ? $"{t.ElementType}{t.Shape}" : type.ToString();

    /// <summary>True if a known size is another one, or a symbol stands for a size that it did not have elsewhere in the same run.</summary>
    private static bool Contradicts(ValueType inferred, ValueType observed, Dictionary<string, long> symbols)
    {
        switch (inferred, observed)
        {
            case (OptionalType { Element: { } element }, not OptionalType):
                return Contradicts(element, observed, symbols);
            case (SequenceType { Element: { } i }, SequenceType { Element: { } o }):
                return Contradicts(i, o, symbols);
            case (TensorType i, TensorType o):
                if (i.ElementType != DataType.Undefined && i.ElementType != o.ElementType) return true;
                return i.Shape is { } shape && (shape.Rank != o.Shape!.Rank || shape.Dimensions.Zip(o.Shape.Dimensions).Any(p => Differs(p.First, p.Second.Size!.Value, symbols)));
            default:
                return inferred.GetType() != observed.GetType() && inferred is not OptionalType;
        }
    }

    private static bool Differs(Dimension inferred, long observed, Dictionary<string, long> symbols)
    {
        if (inferred.Symbol is { } symbol && !symbols.TryAdd(symbol, observed)) return symbols[symbol] != observed;
        return inferred.Size is { } size && size != observed;
    }

    private sealed class Tally
    {
        private int evaluated;
        private int evaluatedStatic;

        private int values;

        public int Observed { get; set; }

        public List<string> Contradictions { get; } = [];

        public List<string> Unresolved { get; } = [];

        public List<string> NotRun { get; } = [];

        public double ResolvedFraction => 1 - ((double)Unresolved.Count / Math.Max(1, values));

        public void Add(string file, ShapeInferenceResult inference)
        {
            values += inference.Values.Count;
            string name = Path.GetFileName(Path.GetDirectoryName(file)!);
            foreach (var u in inference.Unresolved.Where(u => u.Reason.EndsWith("outside what the operator allows", StringComparison.Ordinal))) Contradictions.Add($"{file}: {u.Value.Name}: {u.Reason}");
            foreach (var u in inference.Unresolved) Unresolved.Add($"{name}: '{u.Value.Name}' {u.Value.Producer?.OpType}: {u.Reason}; {(inference.TypeOf(u.Value) is { } type ? Text(type) : "nothing known")}");
        }

        public void AddEvaluated(string file, ShapeInferenceResult inference)
        {
            foreach (var value in inference.Values)
            {
                evaluated++;
                if (inference.TypeOf(value) is { } type && (type is not TensorType tensor || tensor.Shape is { IsStatic: true })) evaluatedStatic++;
                else NotStatic.Add($"{Path.GetFileName(Path.GetDirectoryName(file)!)}: '{value.Name}' {value.Producer?.OpType}: {inference.WhyUnresolved(value)}; {(inference.TypeOf(value) is { } t ? Text(t) : "nothing known")}");
            }
        }

        public List<string> NotStatic { get; } = [];

        public double StaticFraction => (double)evaluatedStatic / Math.Max(1, evaluated);

        public override string ToString() =>
            FormattableString.Invariant($"{values} values, {100 * ResolvedFraction:0.00} % resolved, {100 * StaticFraction:0.00} % static for the run's input sizes, {Observed} observed, {Contradictions.Count} contradictions, {NotRun.Count} files not run\n")
            + string.Join('\n', Unresolved.Concat(NotRun).Concat(NotStatic));
    }
}
