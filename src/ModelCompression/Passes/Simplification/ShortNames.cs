namespace ModelCompression.Passes.Simplification;

/// <summary>The shortest names in order: one letter, then a letter and a letter or digit, and so on. All are C identifiers, as the ONNX specification asks.</summary>
/// <param name="isTaken">Tells names that cannot be used.</param>
internal sealed class ShortNames(Func<string, bool> isTaken)
{
    private const string Letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    private const string Characters = Letters + "0123456789";

    private long next;

    /// <summary>The next free name.</summary>
    public string Next()
    {
        string name;
        do name = Of(next++);
        while (isTaken(name));
        return name;
    }

    private static string Of(long number)
    {
        long count = Letters.Length;
        int length = 1;
        for (; number >= count; length++)
        {
            number -= count;
            count *= Characters.Length;
        }

        return string.Create(length, number, static (name, rest) =>
        {
            for (int i = name.Length - 1; i > 0; i--)
            {
                name[i] = Characters[(int)(rest % Characters.Length)];
                rest /= Characters.Length;
            }

            name[0] = Letters[(int)rest];
        });
    }
}
