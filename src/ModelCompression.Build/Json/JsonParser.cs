using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text;

namespace ModelCompression.Build.Json;

/// <summary>Reads JSON into <see cref="JsonValue"/>s. Throws <see cref="FormatException"/> with the position of what it does not understand.</summary>
internal sealed class JsonParser
{
    private const int MaxDepth = 64;
    private readonly string _text;
    private int _position;

    private JsonParser(string text) => _text = text;

    public static JsonValue Parse(string text)
    {
        var parser = new JsonParser(text);
        var value = parser.ReadValue(0);
        parser.SkipWhiteSpace();
        return parser._position == text.Length ? value : throw parser.Unexpected();
    }

    private JsonValue ReadValue(int depth)
    {
        if (depth > MaxDepth) throw Unexpected();
        SkipWhiteSpace();
        switch (Peek())
        {
            case '{': return ReadObject(depth);
            case '[': return ReadArray(depth);
            case '"': return new JsonValue(ReadString());
            case 't': return Literal("true", true);
            case 'f': return Literal("false", false);
            case 'n': return Literal("null", null);
            default: return ReadNumber();
        }
    }

    private JsonValue ReadObject(int depth)
    {
        var members = new Dictionary<string, JsonValue>(StringComparer.Ordinal);
        _position++;
        for (var first = true; !TryTake('}'); first = false)
        {
            if (!first) Take(',');
            SkipWhiteSpace();
            var name = ReadString();
            Take(':');
            members[name] = ReadValue(depth + 1);
        }
        return new JsonValue(members);
    }

    private JsonValue ReadArray(int depth)
    {
        var elements = new List<JsonValue>();
        _position++;
        for (var first = true; !TryTake(']'); first = false)
        {
            if (!first) Take(',');
            elements.Add(ReadValue(depth + 1));
        }
        return new JsonValue(elements);
    }

    private string ReadString()
    {
        if (Peek() != '"') throw Unexpected();
        _position++;
        var value = new StringBuilder();
        while (Peek() != '"')
        {
            var c = _text[_position++];
            value.Append(c == '\\' ? ReadEscape() : c);
        }
        _position++;
        return value.ToString();
    }

    private char ReadEscape()
    {
        var c = Peek();
        _position++;
        switch (c)
        {
            case 'b': return '\b';
            case 'f': return '\f';
            case 'n': return '\n';
            case 'r': return '\r';
            case 't': return '\t';
            case '"' or '\\' or '/': return c;
            case 'u':
                return ReadHexadecimal();
            default: throw Unexpected();
        }
    }

    private char ReadHexadecimal()
    {
        var code = 0;
        for (var end = _position + 4; _position < end; _position++)
        {
            var digit = "0123456789ABCDEF".IndexOf(char.ToUpperInvariant(Peek()));
            code = digit >= 0 ? (code * 16) + digit : throw Unexpected();
        }
        return (char)code;
    }

    private JsonValue ReadNumber()
    {
        var start = _position;
        while (_position < _text.Length && "+-.0123456789eE".IndexOf(_text[_position]) >= 0) _position++;
        var digits = _text.Substring(start, _position - start);
        if (long.TryParse(digits, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var integer)) return new JsonValue(integer);
        if (double.TryParse(digits, NumberStyles.Float, CultureInfo.InvariantCulture, out var real)) return new JsonValue(real);
        _position = start;
        throw Unexpected();
    }

    private JsonValue Literal(string word, object? value)
    {
        if (string.CompareOrdinal(_text, _position, word, 0, word.Length) != 0) throw Unexpected();
        _position += word.Length;
        return new JsonValue(value);
    }

    private bool TryTake(char c)
    {
        SkipWhiteSpace();
        if (Peek() != c) return false;
        _position++;
        return true;
    }

    private void Take(char c)
    {
        if (!TryTake(c)) throw Unexpected();
    }

    private void SkipWhiteSpace()
    {
        while (_position < _text.Length && _text[_position] is ' ' or '\n' or '\r' or '\t') _position++;
    }

    private char Peek() => _position < _text.Length ? _text[_position] : throw Unexpected();

    private FormatException Unexpected() => new("not valid JSON at character " + _position.ToString(CultureInfo.InvariantCulture));
}
