using System.Collections.Generic;
using System.Globalization;
using System.Text;

namespace ModelCompression.Build.Json;

/// <summary>
/// Writes JSON. Small and our own because a task that brings a JSON library along fights with the versions of other tasks and of MSBuild.
/// </summary>
internal sealed class JsonText
{
    private readonly StringBuilder _text = new();
    private bool _separate;

    public JsonText Object(string? name = null) => Open(name, '{');

    public JsonText EndObject() => Close('}');

    public JsonText Array(string? name = null) => Open(name, '[');

    public JsonText EndArray() => Close(']');

    public JsonText Value(string? name, string? value)
    {
        if (value is null) return this;
        Begin(name);
        Quote(value);
        return this;
    }

    public JsonText Value(string? name, long value)
    {
        Begin(name);
        _text.Append(value.ToString(CultureInfo.InvariantCulture));
        return this;
    }

    public JsonText Value(string? name, bool value)
    {
        Begin(name);
        _text.Append(value ? "true" : "false");
        return this;
    }

    /// <summary>An object of string values.</summary>
    public JsonText Map(string name, IEnumerable<KeyValuePair<string, string>> entries)
    {
        Object(name);
        foreach (var entry in entries) Value(entry.Key, entry.Value);
        return EndObject();
    }

    /// <summary>An array of strings.</summary>
    public JsonText List(string name, IEnumerable<string> values)
    {
        Array(name);
        foreach (var value in values) Value(null, value);
        return EndArray();
    }

    public override string ToString() => _text.ToString();

    private JsonText Open(string? name, char bracket)
    {
        Begin(name);
        _text.Append(bracket);
        _separate = false;
        return this;
    }

    private JsonText Close(char bracket)
    {
        _text.Append(bracket);
        _separate = true;
        return this;
    }

    private void Begin(string? name)
    {
        if (_separate) _text.Append(',');
        _separate = true;
        if (name is null) return;
        Quote(name);
        _text.Append(':');
    }

    private void Quote(string value)
    {
        _text.Append('"');
        foreach (var c in value)
        {
            if (c is '"' or '\\') _text.Append('\\').Append(c);
            else if (c < ' ' || char.IsSurrogate(c)) _text.Append("\\u").Append(((int)c).ToString("x4", CultureInfo.InvariantCulture));
            else _text.Append(c);
        }
        _text.Append('"');
    }
}
