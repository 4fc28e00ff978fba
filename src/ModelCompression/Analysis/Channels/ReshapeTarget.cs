using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Analysis.Channels;

/// <summary>How the target shape of a <c>Reshape</c> can be stated anew when some sizes change.</summary>
internal static class ReshapeTarget
{
    /// <summary>The target shape for changed sizes, or null if it cannot be stated.</summary>
    /// <param name="stored">The stored shape, or null when it is computed.</param>
    /// <param name="before">Shape of the input, changed sizes included.</param>
    /// <param name="after">Shape of the output, changed sizes included.</param>
    public static long[]? Entries(long[]? stored, Shape before, Shape after)
    {
        var entries = new long[after.Rank];
        bool hasInferred = stored?.Contains(-1) ?? false;
        for (int axis = 0; axis < after.Rank; axis++)
        {
            bool isCopy = axis < before.Rank && before[axis].Size == after[axis].Size && before[axis].Symbol == after[axis].Symbol;
            if (stored is not null && (stored[axis] == -1 || (stored[axis] == 0 && (isCopy || !after[axis].IsKnown)))) entries[axis] = stored[axis];
            else if (after[axis].Size is { } size) entries[axis] = size;
            else if (isCopy && after[axis].Symbol is not null) entries[axis] = 0;
            else if (hasInferred) return null;
            else
            {
                entries[axis] = -1;
                hasInferred = true;
            }
        }

        return entries;
    }
}
