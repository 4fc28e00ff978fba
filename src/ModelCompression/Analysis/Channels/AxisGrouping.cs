using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Analysis.Channels;

/// <summary>The common refinement of two shapes of the same elements: pieces, of which both the axes of the one and those of the other are products.</summary>
/// <remarks>
/// Sizes are matched from the left as far as they are known, then from the right; what lies between (symbolic axes that are merged or split) is not resolved, and its pieces
/// are uncertain.
/// </remarks>
internal sealed class AxisGrouping
{
    private readonly List<(int Size, bool IsCertain)> pieces = [];
    private readonly Side input;
    private readonly Side output;

    private AxisGrouping(Shape before, Shape after)
    {
        input = new(before);
        output = new(after);
        Match(fromRight: false);
        Match(fromRight: true);
        foreach (var side in new[] { input, output })
            for (int axis = side.First; axis <= side.Last; axis++)
                if (side.Rest[axis].Size is > 1 and <= int.MaxValue and { } size) side.Left[axis].Add(Piece((int)size, false));
    }

    /// <summary>Sizes of the pieces, and whether both sides agree on them.</summary>
    public IReadOnlyList<(int Size, bool IsCertain)> Pieces => pieces;

    /// <summary>Per axis of the first shape its pieces, the slowest first.</summary>
    public IReadOnlyList<IReadOnlyList<int>> OfInput => input.Pieces();

    /// <summary>Per axis of the second shape its pieces.</summary>
    public IReadOnlyList<IReadOnlyList<int>> OfOutput => output.Pieces();

    public static AxisGrouping Find(Shape before, Shape after) => new(before, after);

    private void Match(bool fromRight)
    {
        while (true)
        {
            input.Skip(fromRight);
            output.Skip(fromRight);
            if (input.IsDone || output.IsDone) return;
            int i = input.At(fromRight);
            int j = output.At(fromRight);
            var (a, b) = (input.Rest[i], output.Rest[j]);
            if (a.Size is { } p && b.Size is { } q)
            {
                long piece = Math.Min(p, q);
                if (Math.Max(p, q) % piece != 0 || piece > int.MaxValue) return;
                int number = Piece((int)piece, true);
                input.Take(i, fromRight, number, p / piece);
                output.Take(j, fromRight, number, q / piece);
            }
            else if (a.Symbol is { } symbol && symbol == b.Symbol)
            {
                input.Take(i, fromRight, null, 1);
                output.Take(j, fromRight, null, 1);
            }
            else
            {
                return;
            }
        }
    }

    private int Piece(int size, bool isCertain)
    {
        pieces.Add((size, isCertain));
        return pieces.Count - 1;
    }

    /// <summary>The axes of one shape and what is left of each.</summary>
    private sealed class Side(Shape shape)
    {
        private readonly List<int>[] right = [.. shape.Dimensions.Select(_ => new List<int>())];

        public Dimension[] Rest { get; } = [.. shape.Dimensions];

        public List<int>[] Left { get; } = [.. shape.Dimensions.Select(_ => new List<int>())];

        public int First { get; private set; }

        public int Last { get; private set; } = shape.Rank - 1;

        public bool IsDone => First > Last;

        public int At(bool fromRight) => fromRight ? Last : First;

        public void Skip(bool fromRight)
        {
            while (!IsDone && Rest[At(fromRight)].Size == 1)
            {
                if (fromRight) Last--;
                else First++;
            }
        }

        public void Take(int axis, bool fromRight, int? piece, long rest)
        {
            if (piece is { } number) (fromRight ? right : Left)[axis].Add(number);
            Rest[axis] = rest;
        }

        public IReadOnlyList<IReadOnlyList<int>> Pieces() => [.. Left.Select((left, axis) => (IReadOnlyList<int>)[.. left, .. Enumerable.Reverse(right[axis])])];
    }
}
