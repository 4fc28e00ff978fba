using ModelCompression.Build.Items;

namespace ModelCompression.Build.Diagnostics;

/// <summary>Codes and texts of what the build side itself reports; each code has a page in the documentation.</summary>
internal static class BuildDiagnostics
{
    public const string UnknownNameCode = "MCB1002";
    public const string SameDestinationCode = "MCB1050";
    public const string RuleWithoutModelCode = "MCB1051";
    public const string InvalidPropertyCode = "MCB1052";
    public const string DestinationOutsideCode = "MCB1053";
    public const string NoLockFileCode = "MCB1055";
    public const string MissingModelCode = "MCB2050";
    public const string OutOfMemoryCode = "MCB9010";
    public const string NoDotNetHostCode = "MCB9050";
    public const string NoWorkerCode = "MCB9051";
    public const string UnsupportedPlatformCode = "MCB9052";
    public const string WorkerCrashedCode = "MCB9053";
    public const string BadResponseCode = "MCB9054";
    public const string UnwritableOutputCode = "MCB9055";
    public const string NotUpToDateCode = "MCB9056";

    public static ModelProblem SameDestination(ModelItem model, ModelItem other)
    {
        var next = model.SourcePath == other.SourcePath
            ? "it is listed twice with different metadata; keep one item, and change it with <CompressModel Update=\"...\"> where a wildcard already includes it"
            : $"'{other.Identity}' goes to the same place; give one of them a Link";
        return new ModelProblem(SameDestinationCode, $"'{model.Identity}' would be written to '{model.TargetPath}', but {next}");
    }

    public static ModelProblem DestinationOutside(string identity, string targetPath) => new(
        DestinationOutsideCode,
        $"'{identity}' has the destination '{targetPath}', which is not inside the output folder; give it a relative Link or TargetPath without '..'");

    public static ModelProblem DestinationIsFolder(string identity, string targetPath) => new(
        DestinationOutsideCode,
        $"'{identity}' has the destination '{targetPath}', which names a folder; add the file name to Link or TargetPath, or use LinkBase for the folder alone");

    public static ModelProblem UnknownName(string identity, string metadata, string value, string allowed) => new(
        UnknownNameCode,
        $"'{identity}' has {metadata}=\"{value}\"; allowed: {allowed}");

    public static ModelProblem MissingModel(string identity, bool isFolder) => new(
        MissingModelCode,
        isFolder
            ? $"'{identity}' is a folder; name the .onnx file, or use a wildcard such as '{identity.TrimEnd('/')}/*.onnx'"
            : $"the model file '{identity}' does not exist; correct the Include, or make the file before the target CompressModels runs");

    public static string RuleWithoutModel(string rule, string models) =>
        $"the rule '{rule}' applies to no model: no CompressModel item matches Model=\"{models}\"; use the item's path or file name, '*' stands for any characters";

    public static string InvalidProperty(string name, string value, string expected) =>
        $"the property {name} is '{value}'; expected {expected}";

    public static string NoDotNetHost(string tried) =>
        $"the .NET host that runs the compressor was not found{tried}; install the .NET SDK, or set the environment variable DOTNET_HOST_PATH to the full path of dotnet";

    public const string NoLockFile =
        "ModelCompressionLockedMode is true, but there is no lock file to compare with; set ModelCompressionLockFile, for example to models.lock.json";

    public static string NoWorker(string path) =>
        $"the compressor '{path}' does not exist; correct the property ModelCompressionWorkerPath, or restore the package again";

    public static string UnsupportedPlatform(string platform, string supported) =>
        $"ONNX Runtime in this package does not support {platform}, only {supported}; build on one of these, set ModelCompressionWorkerPath to a compressor that runs here, or set ModelCompressionEnabled=false to ship the original models";

    public static string WorkerCrashed(string identity, int exitCode) =>
        $"the compressor ended unexpectedly with exit code {exitCode} while it worked on '{identity}'; exclude the part of the model that causes it (ExcludeOpTypes, ExcludeNodes), or report the model together with the command line from the detailed log";

    public static string OutOfMemory(string identity, int exitCode) =>
        $"the compressor ended for lack of memory (exit code {exitCode}) while it worked on '{identity}'; free memory, raise the limit of the container, lower ModelCompressionMaxCpuCount, or build fewer projects at once (-m:1)";

    public static string BadResponse(string reason) =>
        $"the compressor gave no usable answer ({reason}); make sure that ModelCompressionWorkerPath is a compressor of this package's version";

    public static string UnwritableOutput(string path, string reason) =>
        $"'{path}' cannot be written: {reason}; make the folder writable, free space on the disk, or set ModelCompressionOutputPath to another folder";

    public static string NotUpToDate(string identity, string reason) =>
        $"'{identity}' is not up to date: {reason}; build without -question to compress it";
}
