using System.Globalization;

namespace ModelCompression.Onnx.Graph;

/// <summary>The value names of a main graph or function and all its subgraphs.</summary>
internal sealed class ValueNames
{
    private readonly HashSet<string> taken = new(StringComparer.Ordinal);

    /// <summary>Where the search for a free number goes on, per wanted name: thousands of values may want the same.</summary>
    private readonly Dictionary<string, int> nextNumber = new(StringComparer.Ordinal);

    /// <summary>Takes a name as it is.</summary>
    /// <returns>False when it was taken already.</returns>
    public bool Reserve(string name) => taken.Add(name);

    /// <summary>True if some value has the name, or the file says something under it.</summary>
    public bool IsTaken(string name) => taken.Contains(name);

    /// <summary>Takes a name no value has: <paramref name="wanted"/>, or that with the next free number.</summary>
    public string Take(string wanted)
    {
        if (taken.Add(wanted)) return wanted;
        int number = nextNumber.GetValueOrDefault(wanted, 1);
        string name;
        do name = string.Create(CultureInfo.InvariantCulture, $"{wanted}_{number++}");
        while (!taken.Add(name));
        nextNumber[wanted] = number;
        return name;
    }
}
