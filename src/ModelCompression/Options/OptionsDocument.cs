using System.Text;

namespace ModelCompression.Options;

/// <summary>Writes docs/options.md from the schema, so that the page cannot contradict the code.</summary>
public static class OptionsDocument
{
    /// <summary>The page as Markdown with line feeds.</summary>
    public static string ToMarkdown()
    {
        var page = new StringBuilder();
        page.Append(Introduction);
        foreach (var category in OptionSchema.All.GroupBy(d => d.Category))
        {
            page.Append($"\n## {category.Key}\n\n| metadata | values | default | meaning |\n|---|---|---|---|\n");
            foreach (var definition in category)
                page.Append($"| `{definition.Name}`{(definition.AllowedInRule ? " ¹" : "")} | {Cell(Values(definition))} | {Cell(definition.Default.Length == 0 ? "–" : definition.Default)} | {Cell(definition.Meaning)} |\n");
        }

        page.Append(Remainder);
        return page.ToString();
    }

    private static string Values(OptionDefinition definition) =>
        definition.Name == "PruningPattern" ? "`Unstructured` `N:M` `Channel`"
        : definition.Choices.Count > 0 ? string.Join(' ', definition.Choices.Select(c => $"`{c}`"))
        : definition.Allowed;

    private static string Cell(string text) => text.Replace("|", "\\|", StringComparison.Ordinal);

    private const string Introduction = """
        # Options

        <!-- Generated from src/ModelCompression/Options/OptionSchema.cs; run the tests with UPDATE_DOCS=1 to write it anew. -->

        Metadata of `CompressModel` items. Values are case-insensitive; what is not set comes from the preset. The command line tool has the
        same options in kebab-case (`--pruning-pattern 2:4`). ¹ marks what a `CompressModelRule` may override for part of a model; precedence:
        rule by node name, rule by operator, item, preset. A name or value that does not exist, a number out of range and a setting that has no
        effect beside the others are errors ([MCB1001](diagnostics/MCB1001.md) to [MCB1006](diagnostics/MCB1006.md)).

        """;

    private const string Remainder = """

        ## Rules

        ```xml
        <CompressModelRule Include="keep the head in float" Model="encoder.onnx" Nodes="/head/*" Quantization="None" />
        <CompressModelRule Include="prune linear layers only" OpTypes="Gemm;MatMul" Pruning="Magnitude" Sparsity="0.5" />
        ```

        `Model` is the item's path or file name (every model when it is missing); `Nodes` and `OpTypes` are `;` lists in which `*` stands for any
        characters; operators in any case, names of nodes as the model has them. With both given, both must match.

        ## Where the result goes

        | metadata | default | meaning |
        |---|---|---|
        | `TargetPath` / `Link` | project-relative path | destination in the output folder, as for `Content` |
        | `CopyToOutputDirectory`, `CopyToPublishDirectory` | `PreserveNewest` | as for `Content` |

        ## Data

        A data option is a `;` list of

        - `.npz` files: one array per model input, named like the input; axis 0 counts samples. `labels` (int64) are class indices,
          `output:<name>` expected outputs. A single unlabelled array of any name is accepted for a model with one input.
        - folders in ONNX's test layout: `test_data_set_*/input_<i>.pb`, `output_<i>.pb`.
        - folders of `.npy` files, each one sample of a model with one input.

        ## Properties

        | property | default | meaning |
        |---|---|---|
        | `ModelCompressionEnabled` | `true` | `false` ships the originals as `Content` |
        | `ModelCompressionOutputPath` | `$(IntermediateOutputPath)compressed-models/` | where the compressed files are made |
        | `ModelCompressionReports` | `Json;Html` | reports per model: `Json`, `Html`, `Markdown`, `None`, written beside the compressed file as `<model>.report.<ext>` |
        | `ModelCompressionMaxCpuCount` | what MSBuild grants | threads |
        | `ModelCompressionCachePath` | – | [cache](cache.md) of finished results: a folder or an HTTP address |
        | `ModelCompressionLockFile` | – | [lock file](lock-file.md) with what every result was made from, and its hash |
        | `ModelCompressionLockedMode` | `false` | `true` fails the build when a result differs from the lock file |

        `@(CompressedModel)` lists the results (full paths) with the metadata `SourceModel`, `OriginalBytes`, `CompressedBytes`, `Sha256` and
        `Report`. The targets `CompressModels` and `CompressModelsDependsOn` are public extension points.

        """;
}
