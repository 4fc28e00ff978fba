using ModelCompression.Onnx.Diagnostics;

namespace ModelCompression.Tool.CommandLine;

/// <summary>Exit codes of every verb.</summary>
internal static class ExitCodes
{
    /// <summary>Everything was done and passed.</summary>
    public const int Success = 0;

    /// <summary>A model failed, a gate was missed, or files differ.</summary>
    public const int Failed = 1;

    /// <summary>The command line or a setting makes no sense.</summary>
    public const int WrongUsage = 2;

    /// <summary>Cancelled by the user.</summary>
    public const int Cancelled = 130;

    /// <summary>For an error: a setting that makes no sense (MCB1001 to MCB1009) is wrong usage, as an unknown option is.</summary>
    public static int Of(Diagnostic error) => error.Code.StartsWith("MCB100", StringComparison.Ordinal) ? WrongUsage : Failed;
}
