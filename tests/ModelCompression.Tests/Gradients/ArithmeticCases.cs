using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Tests.Gradients;

/// <summary>Arithmetic, activations, reductions, softmax. Inputs keep away from kinks and poles.</summary>
internal static class ArithmeticCases
{
    public static void AddTo(Dictionary<string, (long, Func<OperatorCase, Value>)> cases)
    {
        foreach (string op in new[] { "Add", "Sub", "Mul", "Div" })
        {
            cases[op] = (13, c => c.Op(op, [c.Weight(2, 3), c.Weight(0.8, 1.6, 2, 3)]));
            cases[op + " repeated"] = (9, c => c.Op(op, [c.Weight(2, 1, 3), c.Weight(0.8, 1.6, 4, 1)]));
        }

        cases["Pow square"] = (13, c => c.Op("Pow", [c.Weight(2, 3), c.Constant(Tensor.Float([], 2))]));
        cases["Pow scalar"] = (13, c => c.Op("Pow", [c.Weight(0.5, 1.5, 2, 3), c.Constant(Tensor.Float([1], 1.7f))]));
        cases["Pow both"] = (13, c => c.Op("Pow", [c.Weight(0.5, 1.5, 2, 3), c.Weight(0.5, 2, 3)]));
        cases["Pow integer"] = (13, c => c.Op("Pow", [c.Weight(0.5, 1.5, 2, 3), c.Ints(3)]));
        cases["Sum"] = (13, c => c.Op("Sum", [c.Weight(2, 3), c.Weight(3), c.Weight(2, 1)]));
        cases["Mean"] = (13, c => c.Op("Mean", [c.Weight(2, 3), c.Weight(3)]));
        cases["Max"] = (13, c => c.Op("Max", [c.Spread(0.1, 4, 3), c.Spread(0.17, 3)]));
        cases["Min"] = (13, c => c.Op("Min", [c.Spread(0.1, 4, 3), c.Spread(0.13, 4, 1)]));
        foreach (string op in new[] { "Sqrt", "Log", "Reciprocal" }) cases[op] = (13, c => c.Op(op, [c.Weight(0.6, 2, 3, 4)]));
        foreach (string op in new[] { "Neg", "Exp", "Erf", "Sin", "Cos", "Sigmoid", "Tanh", "Softplus" }) cases[op] = (13, c => c.Op(op, [c.Weight(-2.0, 2, 3, 4)]));
        foreach (string op in new[] { "Abs", "Relu", "LeakyRelu", "Elu", "Selu", "Celu", "Softsign" }) cases[op] = (13, c => c.Op(op, [c.Spread(0.15, 3, 6)]));
        cases["LeakyRelu slope"] = (13, c => c.Op("LeakyRelu", [c.Spread(0.15, 3, 6)], NodeAttribute.Of("alpha", 0.3f)));
        cases["Elu alpha"] = (13, c => c.Op("Elu", [c.Spread(0.15, 3, 6)], NodeAttribute.Of("alpha", 1.6f)));
        cases["Celu alpha"] = (13, c => c.Op("Celu", [c.Spread(0.15, 3, 6)], NodeAttribute.Of("alpha", 1.6f)));
        cases["ThresholdedRelu"] = (13, c => c.Op("ThresholdedRelu", [c.Spread(0.15, 3, 6)], NodeAttribute.Of("alpha", 0.75f)));
        cases["HardSigmoid"] = (13, c => c.Op("HardSigmoid", [c.Spread(0.5, 3, 6)], NodeAttribute.Of("alpha", 0.21f)));
        cases["HardSwish"] = (14, c => c.Op("HardSwish", [c.Spread(0.58, 3, 6)]));
        cases["Mish"] = (18, c => c.Op("Mish", [c.Weight(-2.0, 2, 3, 4)]));
        cases["Gelu"] = (20, c => c.Op("Gelu", [c.Weight(-2.0, 2, 3, 4)]));
        cases["Gelu tanh"] = (20, c => c.Op("Gelu", [c.Weight(-2.0, 2, 3, 4)], NodeAttribute.Of("approximate", "tanh")));
        foreach (string op in new[] { "Gelu", "QuickGelu" })
        {
            cases["com.microsoft." + op] = (13, c =>
            {
                c.Model.OpsetImports["com.microsoft"] = 1;
                return c.Model.Graph.AddNode(op, [c.Weight(-2.0, 2, 3, 4)], ["y"], domain: "com.microsoft").Outputs[0]!;
            }
            );
        }

        cases["Clip inputs"] = (13, c => c.Op("Clip", [c.Spread(0.15, 3, 6), c.Constant(Tensor.Float([], -0.6f)), c.Constant(Tensor.Float([], 0.9f))]));
        cases["Clip one side"] = (13, c => c.Op("Clip", [c.Spread(0.15, 3, 6), null, c.Constant(Tensor.Float([], 0.3f))]));
        cases["Clip attributes"] = (9, c => c.Op("Clip", [c.Spread(0.15, 3, 6)], NodeAttribute.Of("min", -0.6f), NodeAttribute.Of("max", 0.9f)));
        cases["PRelu"] = (13, c => c.Op("PRelu", [c.Spread(0.06, 2, 3, 2, 2), c.Weight(3, 1, 1)]));
        cases["Softmax"] = (13, c => c.Op("Softmax", [c.Weight(2, 3, 4)], NodeAttribute.Of("axis", 1)));
        cases["Softmax flattened, opset 11"] = (11, c => c.Op("Softmax", [c.Weight(2, 3, 4)], NodeAttribute.Of("axis", 1)));
        cases["LogSoftmax"] = (13, c => c.Op("LogSoftmax", [c.Weight(2, 3, 4)]));
        cases["LogSoftmax flattened, opset 9"] = (9, c => c.Op("LogSoftmax", [c.Weight(2, 3, 4)]));
        foreach (string op in new[] { "Mean", "SumSquare", "L2", "LogSum", "LogSumExp", "Prod" })
        {
            cases[$"Reduce{op}"] = (18, c => c.Op("Reduce" + op, [c.Weight(0.5, 1.5, 2, 3, 4), c.Ints(0, -1)]));
            cases[$"Reduce{op} attribute"] = (13, c => c.Op("Reduce" + op, [c.Weight(0.5, 1.5, 2, 3, 4)], NodeAttribute.Of("axes", [1L]), NodeAttribute.Of("keepdims", 0)));
            cases[$"Reduce{op} everything"] = (13, c => c.Op("Reduce" + op, [c.Weight(0.5, 1.5, 2, 3)]));
        }

        cases["ReduceSum"] = (13, c => c.Op("ReduceSum", [c.Weight(2, 3, 4), c.Ints(1)], NodeAttribute.Of("keepdims", 0)));
        cases["ReduceSum attribute"] = (11, c => c.Op("ReduceSum", [c.Weight(2, 3, 4)], NodeAttribute.Of("axes", 0, 2)));
        cases["ReduceSum nothing"] = (13, c => c.Op("ReduceSum", [c.Weight(2, 3)], NodeAttribute.Of("noop_with_empty_axes", 1)));
        foreach (string op in new[] { "Max", "Min", "L1" }) cases["Reduce" + op] = (18, c => c.Op("Reduce" + op, [c.Spread(0.06, 2, 3, 4), c.Ints(2)]));
    }
}
