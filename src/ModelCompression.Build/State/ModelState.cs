using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Text;

namespace ModelCompression.Build.State;

/// <summary>
/// What the last successful run for one model was made from and what it made: the file beside the output that decides whether
/// the worker is needed. The text starts with the parameters, so that "same settings?" is one comparison.
/// </summary>
internal sealed class ModelState
{
    private const string Separator = "--\n";

    /// <summary>Settings, rules, reports and tool as written by <see cref="StateKey"/>.</summary>
    public string Key { get; set; } = "";

    /// <summary>The model and its data, in a fixed order.</summary>
    public List<InputRecord> Inputs { get; } = [];

    /// <summary>Further files the worker read, such as external data.</summary>
    public List<InputRecord> Dependencies { get; } = [];

    /// <summary>The compressed model first, then files that belong to it.</summary>
    public List<OutputRecord> Outputs { get; } = [];

    /// <summary>Reports, relative to the output directory.</summary>
    public List<string> Reports { get; } = [];

    /// <summary>What the worker warned of.</summary>
    public List<WarningRecord> Warnings { get; } = [];

    public long OriginalBytes { get; set; }

    public long CompressedBytes { get; set; }

    public string Summary { get; set; } = "";

    public string Sha256 => Outputs.Count > 0 ? Outputs[0].Sha256 : "";

    /// <summary>Names of the outputs besides the model.</summary>
    public IEnumerable<string> AdditionalOutputs
    {
        get
        {
            for (var i = 1; i < Outputs.Count; i++) yield return Outputs[i].Name;
        }
    }

    /// <summary>Reads a state; null when there is none, or none that this version understands.</summary>
    public static ModelState? Read(string path)
    {
        try
        {
            return File.Exists(path) ? Parse(AtomicFile.ReadText(path)) : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException or OverflowException)
        {
            return null;
        }
    }

    public void Write(string path)
    {
        var text = new StringBuilder(Key).Append(Separator);
        foreach (var input in Inputs) Append(text, "input", input.Name, input.Stamp, input.Sha256);
        foreach (var input in Dependencies) Append(text, "dependency", input.Name, input.Stamp, input.Sha256);
        foreach (var output in Outputs) Append(text, "output", output.Name, output.Stamp, output.Sha256);
        foreach (var report in Reports) StateText.AppendLine(text, "report", report);
        foreach (var warning in Warnings) StateText.AppendLine(text, "warning", warning.Code, warning.File, Invariant(warning.Line), Invariant(warning.Column), warning.Text);
        StateText.AppendLine(text, "result", Invariant(OriginalBytes), Invariant(CompressedBytes), Summary);
        AtomicFile.WriteText(path, text.ToString());
    }

    private static void Append(StringBuilder text, string kind, string name, FileStamp stamp, string sha256) =>
        StateText.AppendLine(text, kind, Invariant(stamp.ByteLength), Invariant(stamp.Ticks), sha256, name);

    private static ModelState? Parse(string text)
    {
        var end = text.IndexOf("\n" + Separator, StringComparison.Ordinal);
        if (end < 0) return null;
        var state = new ModelState { Key = text.Substring(0, end + 1) };
        var complete = false;
        foreach (var line in text.Substring(end + 1 + Separator.Length).Split(['\n'], StringSplitOptions.RemoveEmptyEntries))
        {
            var fields = StateText.Fields(line);
            switch (fields[0])
            {
                case "input": state.Inputs.Add(Input(fields)); break;
                case "dependency": state.Dependencies.Add(Input(fields)); break;
                case "output": state.Outputs.Add(new OutputRecord(fields[4], Stamp(fields), fields[3])); break;
                case "report": state.Reports.Add(fields[1]); break;
                case "warning" when fields.Length > 5: state.Warnings.Add(new WarningRecord(fields[1], fields[2], (int)Number(fields[3]), (int)Number(fields[4]), fields[5])); break;
                case "result":
                    state.OriginalBytes = Number(fields[1]);
                    state.CompressedBytes = Number(fields[2]);
                    state.Summary = fields[3];
                    complete = true;
                    break;
                default: return null;
            }
        }
        return complete && state.Outputs.Count > 0 ? state : null;
    }

    private static InputRecord Input(string[] fields) => new(fields[4], Stamp(fields), fields[3]);

    private static FileStamp Stamp(string[] fields) => new(Number(fields[1]), Number(fields[2]));

    private static long Number(string text) => long.Parse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);

    private static string Invariant(long number) => number.ToString(CultureInfo.InvariantCulture);
}
