using System.Text.RegularExpressions;
using ModelCompression.Testing;

namespace ModelCompression.Tests;

/// <summary>Keeps the direction of dependencies that docs/architecture.md describes.</summary>
[TestClass]
public sealed partial class ArchitectureTests
{
    private static readonly (string Folder, string[] Forbidden)[] Edges =
    [
        ("src/ModelCompression/Numerics", ["ModelCompression.Passes", "ModelCompression.Runtime", "ModelCompression.Pipeline", "Microsoft.ML.OnnxRuntime", "ModelCompression.Reports"]),
        ("src/ModelCompression/Analysis", ["ModelCompression.Passes", "ModelCompression.Runtime", "ModelCompression.Pipeline", "Microsoft.ML.OnnxRuntime", "ModelCompression.Reports"]),
        ("src/ModelCompression/Statistics", ["ModelCompression.Passes", "ModelCompression.Runtime", "ModelCompression.Pipeline", "Microsoft.ML.OnnxRuntime", "ModelCompression.Reports"]),
        ("src/ModelCompression/Packing", ["ModelCompression.Passes", "ModelCompression.Runtime", "ModelCompression.Pipeline", "Microsoft.ML.OnnxRuntime", "ModelCompression.Reports"]),
        ("src/ModelCompression/Gradients", ["ModelCompression.Passes", "ModelCompression.Runtime", "ModelCompression.Pipeline", "Microsoft.ML.OnnxRuntime", "ModelCompression.Reports"]),
        ("src/ModelCompression/Passes", ["ModelCompression.Runtime", "ModelCompression.Pipeline", "Microsoft.ML.OnnxRuntime", "ModelCompression.Reports", "System.IO.Compression"]),
        ("src/ModelCompression/Data", ["ModelCompression.Passes", "ModelCompression.Runtime", "ModelCompression.Pipeline", "Microsoft.ML.OnnxRuntime", "ModelCompression.Reports"]),
        ("src/ModelCompression/Options", ["ModelCompression.Passes", "ModelCompression.Runtime", "ModelCompression.Pipeline", "Microsoft.ML.OnnxRuntime", "ModelCompression.Reports"]),
        ("src/ModelCompression/Runtime", ["ModelCompression.Pipeline", "ModelCompression.Reports"]),
        ("src/ModelCompression/Reports", ["ModelCompression.Pipeline", "Microsoft.ML.OnnxRuntime"]),
        ("src/ModelCompression/Pipeline", ["Microsoft.ML.OnnxRuntime", "Microsoft.Build"]),
        ("src/ModelCompression.Onnx/Graph", ["Google.Protobuf"]),
        ("src/ModelCompression.Onnx/Tensors", ["Google.Protobuf"]),
    ];

    [TestMethod]
    public void Folders_UseOnlyWhatLiesBelowThem()
    {
        var wrong = new List<string>();
        foreach (var (folder, forbidden) in Edges)
        {
            var files = Directory.EnumerateFiles(Path.Combine(RepositoryPaths.Root, folder), "*.cs", SearchOption.AllDirectories).ToList();
            Assert.IsNotEmpty(files, folder);
            foreach (string file in files)
                foreach (Match use in Using().Matches(File.ReadAllText(file)))
                    if (forbidden.Any(f => use.Groups[1].Value == f || use.Groups[1].Value.StartsWith(f + ".", StringComparison.Ordinal)))
                        wrong.Add($"{Path.GetRelativePath(RepositoryPaths.Root, file)} uses {use.Groups[1].Value}");
        }

        Assert.IsEmpty(wrong, string.Join('\n', wrong));
    }

    [TestMethod]
    public void DiagnosticCodes_HaveAPage()
    {
        var codes = new SortedSet<string>(StringComparer.Ordinal);
        foreach (string folder in new[] { "src", "build" })
            foreach (string file in Directory.EnumerateFiles(Path.Combine(RepositoryPaths.Root, folder), "*.*", SearchOption.AllDirectories).Where(f => f.EndsWith(".cs", StringComparison.Ordinal) || f.EndsWith(".targets", StringComparison.Ordinal)))
                foreach (Match code in Code().Matches(File.ReadAllText(file)))
                    codes.Add(code.Value.Trim('"'));
        Assert.IsGreaterThan(20, codes.Count);

        var missing = codes.Where(c => !File.Exists(Path.Combine(RepositoryPaths.Root, "docs", "diagnostics", c + ".md"))).ToList();

        Assert.IsEmpty(missing, string.Join(' ', missing));
    }

    [GeneratedRegex(@"^using (?:static )?([\w.]+);", RegexOptions.Multiline)]
    private static partial Regex Using();

    [GeneratedRegex("\"MCB[0-9]{4}\"")]
    private static partial Regex Code();
}
