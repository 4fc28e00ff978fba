using System.Collections.Generic;

namespace ModelCompression.Build.Json;

/// <summary>A JSON value. Asking for what is not there gives an empty answer, so that a newer or older writer does no harm.</summary>
internal sealed class JsonValue(object? value)
{
    private static readonly JsonValue Nothing = new(null);

    public JsonValue this[string name] =>
        value is Dictionary<string, JsonValue> members && members.TryGetValue(name, out var member) ? member : Nothing;

    public IReadOnlyList<JsonValue> Elements => value as List<JsonValue> ?? (IReadOnlyList<JsonValue>)[];

    public string Text => value as string ?? "";

    public long Number => value as long? ?? 0;
}
