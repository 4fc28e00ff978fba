namespace ModelCompression.Passes.Quantization.Static;

/// <summary>Finds the smallest number that suffices, where asking is expensive and a guess is at hand.</summary>
internal static class SmallestCount
{
    private const int FirstStep = 2;

    /// <summary>Asks near the guess first, then farther and farther away, until the answer lies between two numbers that were asked about; then halves.</summary>
    /// <param name="low">The smallest that may suffice.</param>
    /// <param name="high">A number that is taken to suffice, at least <paramref name="low"/>.</param>
    /// <param name="guess">Where to begin; any number.</param>
    /// <param name="suffices">True for all numbers from the answer on, false below; asked at most once about a number.</param>
    public static int Find(int low, int high, int guess, Func<int, bool> suffices)
    {
        bool? before = null;
        bool isEnclosed = false;
        for (int step = FirstStep; low < high; step *= 2)
        {
            int at = Math.Clamp(isEnclosed ? (low + high) / 2 : guess, low, high - 1);
            bool isEnough = suffices(at);
            isEnclosed |= before == !isEnough;
            before = isEnough;
            if (isEnough) (high, guess) = (at, at - step);
            else (low, guess) = (at + 1, at + step);
        }

        return low;
    }
}
