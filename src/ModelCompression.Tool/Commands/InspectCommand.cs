using System.CommandLine;
using ModelCompression.Pipeline.Inspection;
using ModelCompression.Tool.CommandLine;
using ModelCompression.Tool.Display;
using Spectre.Console;

namespace ModelCompression.Tool.Commands;

/// <summary><c>inspect MODEL</c>: what a model consists of, and what compression could do with it.</summary>
internal static class InspectCommand
{
    /// <summary>Weights listed per operator, unless all are asked for.</summary>
    private const int ShownWeights = 6;

    public static Command Create()
    {
        var model = new Argument<string>("MODEL") { Description = "The ONNX model." }.NotEmpty();
        var json = new Option<bool>("--json") { Description = "Print JSON." };
        var all = new Option<bool>("--all") { Description = "List every weight." };
        var command = new Command("inspect", "Shows operators, weights, types and opsets of a model, and what could be compressed.") { model, json, all };
        command.SetWork((parsed, _) =>
        {
            string path = Path.GetFullPath(parsed.GetValue(model)!);
            var inspection = ModelInspector.Inspect(path);
            if (parsed.GetValue(json)) Console.Out.WriteLine(inspection.ToJson());
            else Show(ResultConsole.Create(), Path.GetFileName(path), inspection, parsed.GetValue(all) ? int.MaxValue : ShownWeights);
            return ExitCodes.Success;
        });
        return command;
    }

    internal static void Show(IAnsiConsole console, string name, ModelInspection inspection, int shownWeights)
    {
        var facts = new Grid().AddColumn().AddColumn();
        Fact("size", $"{ResultConsole.Bytes(inspection.Figures.Bytes)} ({ResultConsole.Count(inspection.Figures.Bytes)} bytes)");
        Fact("parameters", $"{ResultConsole.Count(inspection.Figures.Parameters)}, {ResultConsole.Count(inspection.Figures.NonZeroParameters)} not zero");
        Fact("operations", $"{ResultConsole.Count(inspection.Figures.Macs)} multiply-accumulates per run");
        Fact("format", $"IR version {inspection.IrVersion}, opsets {string.Join(", ", inspection.Opsets.Select(o => $"{o.Key} {o.Value}"))}");
        if (inspection.Producer.Length > 0) Fact("made by", inspection.Producer);
        Fact("inputs", string.Join('\n', inspection.Inputs));
        Fact("outputs", string.Join('\n', inspection.Outputs));
        if (inspection.ExternalData.Count > 0) Fact("external data", string.Join('\n', inspection.ExternalData));
        foreach (var (key, value) in inspection.Metadata) Fact(key, value);
        Fact("SHA-256", inspection.Figures.Sha256);
        console.MarkupLineInterpolated($"[bold]{name}[/]");
        console.Write(facts);
        foreach (var graph in inspection.Graphs)
        {
            var tree = new Tree(Markup.Escape(graph.Name));
            Add(tree, graph, shownWeights);
            console.Write(tree);
        }

        console.WriteLine(Outlook(inspection));

        void Fact(string title, string text) => facts.AddRow(new Text(title, new Style(decoration: Decoration.Dim)), new Text(text));
    }

    private static void Add(IHasTreeNodes parent, InspectedGraph graph, int shownWeights)
    {
        foreach (var op in graph.Operators)
        {
            var node = parent.AddNode(Markup.Escape($"{op.OpType} × {op.Count}{(op.Bytes > 0 ? ", " + ResultConsole.Bytes(op.Bytes) : "")}"));
            foreach (var weight in op.Weights.Take(shownWeights))
                node.AddNode(new Text($"{weight.Node}: {weight.Name} {weight.Type}, {ResultConsole.Bytes(weight.Bytes)}, {weight.Role}", new Style(decoration: weight.Compressible ? Decoration.None : Decoration.Dim)));
            if (op.Weights.Count > shownWeights) node.AddNode(new Text($"and {op.Weights.Count - shownWeights} more (--all lists them)", new Style(decoration: Decoration.Dim)));
        }

        foreach (var subgraph in graph.Subgraphs) Add(parent.AddNode(Markup.Escape(subgraph.Name)), subgraph, shownWeights);
    }

    /// <summary>What can be expected, from sizes alone.</summary>
    private static string Outlook(ModelInspection inspection)
    {
        if (inspection.CompressibleBytes == 0)
            return inspection.QuantizedNodes > 0 ? $"Nothing to compress: {inspection.QuantizedNodes} nodes compute with integers already." : "Nothing to compress: the model has no floating point weights.";
        long total = inspection.Figures.Bytes, rest = total - inspection.CompressibleBytes;
        return $"Compressible: {ResultConsole.Bytes(inspection.CompressibleBytes)} of weights ({100 * inspection.CompressibleBytes / total} % of the file). "
            + $"8 bits per weight would give about {ResultConsole.Bytes(rest + inspection.CompressibleWeights)}, 4 bits about {ResultConsole.Bytes(rest + (inspection.CompressibleWeights * 9 / 16))}.";
    }
}
