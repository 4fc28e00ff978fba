using System.Collections.Generic;
using System.Globalization;

namespace ModelCompression.Build.Json;

/// <summary>A JSON value. Asking for what is not there gives an empty answer, so that a newer or older writer does no harm.</summary>
internal sealed class JsonValue(object? value)
{
    private static readonly JsonValue Nothing = new(null);

    public JsonValue this[string name] =>
        value is Dictionary<string, JsonValue> members && members.TryGetValue(name, out var member) ? member : Nothing;

    public IReadOnlyList<JsonValue> Elements => value as List<JsonValue> ?? (IReadOnlyList<JsonValue>)[];

    /// <summary>Members of an object; empty for anything else.</summary>
    public IEnumerable<KeyValuePair<string, JsonValue>> Members => value as Dictionary<string, JsonValue> ?? (IEnumerable<KeyValuePair<string, JsonValue>>)[];

    public string Text => value as string ?? "";

    /// <summary>The value as one line; equal values written in another layout have equal lines.</summary>
    public string Canonical()
    {
        switch (value)
        {
            case Dictionary<string, JsonValue> members:
                var names = new List<string>(members.Keys);
                names.Sort(System.StringComparer.Ordinal);
                return "{" + string.Join(",", names.ConvertAll(name => name.Length.ToString(CultureInfo.InvariantCulture) + ":" + name + "=" + members[name].Canonical())) + "}";
            case List<JsonValue> elements:
                return "[" + string.Join(",", elements.ConvertAll(element => element.Canonical())) + "]";
            case string text:
                return text.Length.ToString(CultureInfo.InvariantCulture) + ":" + text;
            default:
                return System.Convert.ToString(value, CultureInfo.InvariantCulture) ?? "";
        }
    }

    public long Number => value as long? ?? 0;

    public bool IsTrue => value is true;
}
