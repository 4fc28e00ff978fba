using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Analysis.Shapes.Rules;

/// <summary>Losses and the update steps of optimizers.</summary>
internal static class LossRules
{
    private const string Training = "ai.onnx.preview.training";

    public static void Register(RuleTable table)
    {
        table.Add("NegativeLogLikelihoodLoss", Loss);
        table.Add("SoftmaxCrossEntropyLoss", n =>
        {
            Loss(n);
            n.Set(1, n.TypeOf(0));
        });
        // R, T, then for every optimized tensor: X, G and the accumulators; outputs are the new X and accumulators.
        table.Add("Adagrad", n => Update(n, inputsPerTensor: 3, outputsPerTensor: 2), domain: Training);
        table.Add("Momentum", n => Update(n, inputsPerTensor: 3, outputsPerTensor: 2), domain: Training);
        table.Add("Adam", n => Update(n, inputsPerTensor: 4, outputsPerTensor: 3), domain: Training);
        table.Add("Gradient", Gradient, domain: Training);
    }

    private static void Loss(NodeInference n)
    {
        n.Set(0, n.ElementOf(0), n.Attributes.Text("reduction", "mean") == "none" ? n.ShapeOf(1) : Shape.Of());
    }

    private static void Update(NodeInference n, int inputsPerTensor, int outputsPerTensor)
    {
        int tensors = (n.Node.Inputs.Count - 2) / inputsPerTensor;
        for (int output = 0; output < tensors * outputsPerTensor; output++)
        {
            // Grouped by kind: all X, then all G, then all first accumulators…; gradients have no output.
            int kind = output / tensors;
            n.Set(output, n.TypeOf(2 + ((kind == 0 ? 0 : kind + 1) * tensors) + (output % tensors)));
        }
    }

    /// <summary>The derivative by each of <c>xs</c> has its type.</summary>
    private static void Gradient(NodeInference n)
    {
        for (int i = 0; i < n.Node.Outputs.Count; i++) n.Set(i, n.TypeOf(i));
    }
}
