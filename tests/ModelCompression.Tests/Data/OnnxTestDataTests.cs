using ModelCompression.Data;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Runtime;
using ModelCompression.Runtime.Fidelity;
using ModelCompression.Testing;

namespace ModelCompression.Tests.Data;

[TestClass]
public sealed class OnnxTestDataTests
{
    /// <summary>Cases that are run but whose values are not compared.</summary>
    private static readonly HashSet<string> Incomparable = new(StringComparer.Ordinal)
    {
        // Random by definition.
        "test_bernoulli", "test_bernoulli_double", "test_bernoulli_seed", "test_bernoulli_expanded", "test_bernoulli_double_expanded", "test_bernoulli_seed_expanded",
        "test_training_dropout", "test_training_dropout_default", "test_training_dropout_default_mask",
        "test_training_dropout_mask", "test_training_dropout_zero_ratio", "test_training_dropout_zero_ratio_mask",
        // ONNX Runtime writes numbers with another number of digits than NumPy.
        "test_cast_FLOAT_to_STRING", "test_castlike_FLOAT_to_STRING", "test_castlike_FLOAT_to_STRING_expanded",
        // ONNX Runtime rounds to bfloat16 to nearest, the generator of the case cut off.
        "test_cast_FLOAT_to_BFLOAT16",
        // The stored outputs of ONNX 1.12 were found wrong and changed later (Resize), or ONNX Runtime is known to differ (MaxUnpool).
        "test_resize_downsample_scales_cubic_align_corners", "test_resize_downsample_scales_linear_align_corners", "test_maxunpool_export_with_output_shape",
    };

    /// <summary>Cases without inputs, or with inputs the .NET interface of ONNX Runtime cannot make: empty sequences and absent optionals.</summary>
    private static readonly HashSet<string> CannotBeFed = new(StringComparer.Ordinal)
    {
        "test_constant", "test_loop13_seq", "test_loop16_seq_none", "test_optional_has_element_empty",
        // The stored tensor has another shape than the model declares, which is refused.
        "test_castlike_BFLOAT16_to_FLOAT", "test_castlike_BFLOAT16_to_FLOAT_expanded", "test_castlike_FLOAT_to_BFLOAT16", "test_castlike_FLOAT_to_BFLOAT16_expanded",
    };

    /// <summary>
    /// Every test case of the ONNX project that this ONNX Runtime loads is fed with its stored inputs and compared with its stored outputs, which were computed by
    /// NumPy or PyTorch: SQNR of 60 dB (relative error 1e-3, the tolerance of the ONNX test runner) for floats, equality for the rest.
    /// </summary>
    [TestMethod]
    public void StoredInputs_GiveStoredOutputs()
    {
        int ran = 0, refused = 0;
        var wrong = new List<string>();
        foreach (string path in Directory.EnumerateFiles(ModelZoo.OnnxTestData(), "model.onnx", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            string folder = Path.GetDirectoryName(path)!;
            if (!Directory.Exists(Path.Combine(folder, "test_data_set_0")) || CannotBeFed.Contains(Path.GetFileName(folder))) continue;
            try
            {
                using var session = ModelSession.Open(path, SessionSettings.Default, ModelRole.Original);
                if (Check(session, path, folder) is { } problem) wrong.Add($"{Path.GetFileName(folder)}: {problem}");
                ran++;
            }
            catch (DiagnosticException e) when (e.Diagnostic.Code == "MCB2040")
            {
                refused++;
            }
            catch (DiagnosticException e)
            {
                wrong.Add($"{Path.GetFileName(folder)}: {e.Message}");
            }
        }

        Assert.IsGreaterThan(950, ran, $"{refused} refused");
        Assert.IsEmpty(wrong, string.Join(Environment.NewLine, wrong));
    }

    private static string? Check(ModelSession session, string path, string folder)
    {
        using var model = OnnxReader.Read(path);
        using var data = DataSet.Open([folder], ModelInterface.Of(model));
        Assert.IsGreaterThan(0, data.Count);
        for (int i = 0; i < data.Count; i++)
        {
            var sample = data.Read(i);
            var actual = FlatOutputs.Of(session.Run(sample.Inputs)).ToDictionary(o => o.Name, o => o.Tensor);
            if (Incomparable.Contains(Path.GetFileName(folder))) continue;
            foreach (var (name, expected) in FlatOutputs.Of(sample.ExpectedOutputs))
            {
                if (expected is null) continue;
                if (!actual.TryGetValue(name, out var found) || found is null) return $"no output {name}";
                if (!expected.Dims.SequenceEqual(found.Dims) || expected.DataType != found.DataType) return $"{name} is {found}, expected {expected}";
                if (!Same(expected, found)) return $"{name} differs";
            }
        }

        return null;
    }

    private static bool Same(Tensor expected, Tensor found)
    {
        if (expected.Strings is { } strings) return strings.Zip(found.Strings!).All(p => p.First.Span.SequenceEqual(p.Second.Span));
        if (!expected.DataType.IsFloatingPoint()) return expected.AsSpan<byte>().SequenceEqual(found.AsSpan<byte>());
        var distance = new OutputDistance();
        distance.Add(expected, found);
        return distance.ElementCount == 0 || distance.MaxAbsoluteDifference < 1e-6 || (distance.NonFiniteCount == 0 && distance.SqnrDb > 60);
    }
}
