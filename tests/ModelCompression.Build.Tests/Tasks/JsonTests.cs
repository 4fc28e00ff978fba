using System.Text.Json.Nodes;
using ModelCompression.Build.Json;

namespace ModelCompression.Build.Tests.Tasks;

[TestClass]
public sealed class JsonTests
{
    [TestMethod]
    public void Write_TextWithEverySpecialCharacter_ReadsBackTheSame()
    {
        string text = string.Concat(Enumerable.Range(0, 300).Select(i => (char)i)) + "模型 😀 \"\\/";
        string json = new JsonText().Object().Value("t", text).Value("missing", (string?)null).Value("n", -5).Value("b", true).List("l", ["x", "y"]).Array("e").EndArray().EndObject().ToString();

        var node = JsonNode.Parse(json)!;
        Assert.AreEqual(text, (string)node["t"]!);
        Assert.AreEqual(-5, (int)node["n"]!);
        Assert.IsFalse(node.AsObject().ContainsKey("missing"));
        Assert.AreEqual(text, JsonParser.Parse(json)["t"].Text);
        CollectionAssert.AreEqual(new[] { "x", "y" }, JsonParser.Parse(json)["l"].Elements.Select(e => e.Text).ToArray());
    }

    [TestMethod]
    public void Parse_WhatOthersWrite_IsUnderstood()
    {
        var value = JsonParser.Parse(" { \"a\" : [ 1 , 2.5e3, null, true, {\"b\":\"\\u00e9\\n\"} ], \"big\": 9007199254740993 } ");
        Assert.AreEqual(1, value["a"].Elements[0].Number);
        Assert.AreEqual("é\n", value["a"].Elements[4]["b"].Text);
        Assert.AreEqual(9007199254740993, value["big"].Number);
        Assert.AreEqual("", value["none"]["deeper"].Text);
        Assert.IsEmpty(value["none"].Elements);
    }

    [TestMethod]
    [DataRow("")]
    [DataRow("{")]
    [DataRow("{\"a\":1,}")]
    [DataRow("[1 2]")]
    [DataRow("nul")]
    [DataRow("{} x")]
    [DataRow("\"\\u12\"")]
    [DataRow("\"open")]
    public void Parse_Broken_Throws(string text) => Assert.ThrowsExactly<FormatException>(() => JsonParser.Parse(text));

    [TestMethod]
    public void Parse_NestedWithoutEnd_Throws() => Assert.ThrowsExactly<FormatException>(() => JsonParser.Parse(new string('[', 100_000)));
}
