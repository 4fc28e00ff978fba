namespace ModelCompression.Runtime.Synthetic;

/// <summary>An input name as lower-case words, so that <c>attentionMask</c>, <c>attention_mask</c> and <c>attention.mask</c> read alike.</summary>
internal readonly struct NameWords
{
    private readonly string joined;

    private NameWords(string joined) => this.joined = joined;

    /// <summary>Splits a name.</summary>
    public static NameWords Of(string name)
    {
        var text = new System.Text.StringBuilder("_");
        for (int i = 0; i < name.Length; i++)
        {
            if (char.IsAsciiLetterUpper(name[i]) && i > 0 && char.IsAsciiLetterLower(name[i - 1])) text.Append('_');
            text.Append(char.IsAsciiLetterOrDigit(name[i]) ? char.ToLowerInvariant(name[i]) : '_');
        }

        return new(text.Append('_').ToString());
    }

    /// <summary>True if the whole name is <paramref name="word"/>.</summary>
    public bool Is(string word) => joined.Length == word.Length + 2 && joined.Contains(word, StringComparison.Ordinal);

    /// <summary>True if one of the words, or runs of words joined by an underscore, occurs whole.</summary>
    public bool Any(params ReadOnlySpan<string> words)
    {
        foreach (string word in words)
            for (int at = joined.IndexOf(word, StringComparison.Ordinal); at >= 0; at = joined.IndexOf(word, at + 1, StringComparison.Ordinal))
                if (joined[at - 1] == '_' && joined[at + word.Length] == '_') return true;
        return false;
    }
}
