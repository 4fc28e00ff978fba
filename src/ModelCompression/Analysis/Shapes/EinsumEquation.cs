namespace ModelCompression.Analysis.Shapes;

/// <summary>A parsed Einstein sum. Labels are letters; the axes an ellipsis stands for are labelled <c>.0</c>, <c>.1</c>… from the right.</summary>
/// <param name="Operands">Labels of each operand's axes.</param>
/// <param name="Result">Labels of the result's axes.</param>
internal sealed record EinsumEquation(IReadOnlyList<IReadOnlyList<string>> Operands, IReadOnlyList<string> Result)
{
    /// <summary>Parses an equation for operands of the given ranks; null when they do not fit.</summary>
    public static EinsumEquation? Parse(string text, IReadOnlyList<int> ranks)
    {
        if (Split(text) is not var (terms, stated) || terms.Length != ranks.Count) return null;
        var operands = new List<IReadOnlyList<string>>();
        int ellipsisRank = 0;
        for (int i = 0; i < terms.Length; i++)
        {
            int letters = terms[i].Count(char.IsAsciiLetter);
            bool hasEllipsis = terms[i].Contains("...", StringComparison.Ordinal);
            int rest = ranks[i] - letters;
            if (rest < 0 || (rest > 0 && !hasEllipsis)) return null;
            if (hasEllipsis) ellipsisRank = Math.Max(ellipsisRank, rest);
            operands.Add(Labels(terms[i], rest));
        }

        var result = stated is not null ? Labels(stated, ellipsisRank) : Implicit(operands, ellipsisRank);
        return result.All(label => operands.Any(o => o.Contains(label))) ? new(operands, result) : null;
    }

    /// <summary>The terms of the operands and that of the result, null when it is not stated, as they are written; null for more than one arrow.</summary>
    public static (string[] Operands, string? Result)? Split(string text)
    {
        string[] sides = text.Replace(" ", "", StringComparison.Ordinal).Split("->");
        return sides.Length > 2 ? null : (sides[0].Split(','), sides.Length == 2 ? sides[1] : null);
    }

    private static List<string> Labels(string term, int ellipsisRank)
    {
        var labels = new List<string>();
        for (int i = 0; i < term.Length; i++)
        {
            if (term[i] != '.')
            {
                labels.Add(term[i].ToString());
                continue;
            }

            for (int k = ellipsisRank - 1; k >= 0; k--) labels.Add(FormattableString.Invariant($".{k}"));
            i += 2;
        }

        return labels;
    }

    /// <summary>Without an arrow: the ellipsis, then the letters that occur once, in alphabetical order.</summary>
    private static List<string> Implicit(List<IReadOnlyList<string>> operands, int ellipsisRank)
    {
        var once = operands.SelectMany(o => o).Where(l => l[0] != '.').GroupBy(l => l).Where(g => g.Count() == 1).Select(g => g.Key).Order(StringComparer.Ordinal);
        return [.. Labels(ellipsisRank > 0 ? "..." : "", ellipsisRank), .. once];
    }
}
