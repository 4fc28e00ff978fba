namespace ModelCompression.Passes.Quantization.Static;

/// <summary>What an operator does with quantized activations.</summary>
internal enum StaticRole
{
    /// <summary>Not treated: it stays float.</summary>
    None,

    /// <summary>Multiplies an activation with constant weights: where integers save time.</summary>
    Linear,

    /// <summary>Only moves, picks or bounds elements: its output takes the scale of its input, and nothing is lost.</summary>
    Moves,

    /// <summary>Relu or Clip: behind another operator its bounds become those of that operator's codes.</summary>
    Bounds,

    /// <summary>Computes new values from quantized ones.</summary>
    Computes,
}
