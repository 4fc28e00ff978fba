using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Options;

namespace ModelCompression.Passes.Quantization.Static;

/// <summary>Whether the target CPU adds two products of uint8 and int8 in 16 bits, which saturates (vpmaddubsw of x64 before VNNI).</summary>
/// <remarks>
/// 255·(q₁ + q₂) must stay within ±32767 for any two weights of a channel that a kernel may pair: their sum must not exceed 128 in magnitude. Scales of channels are raised just as far as the two
/// largest weights of one sign ask for, which costs at most the one bit that ONNX Runtime's <c>reduce_range</c> always costs. Depthwise convolutions add in 32 bits everywhere.
/// </remarks>
internal static class SaturatingProducts
{
    /// <summary>Largest sum of two codes before rounding, which adds at most half to each.</summary>
    public const int MaxPairSum = 127;

    private const int VnniBit = 1 << 11;

    /// <summary>True if weights must be kept from saturating.</summary>
    public static bool MatterOn(TargetCpu target) => target switch
    {
        TargetCpu.X64Vnni or TargetCpu.Arm64 => false,
        TargetCpu.Auto => !MachineHasDotProducts(),
        _ => true,
    };

    /// <summary>A warning when figures measured on this machine do not hold for the target, or null.</summary>
    public static Diagnostic? Warning(TargetCpu target) => target == TargetCpu.X64Vnni && !MachineHasDotProducts()
        ? Diagnostic.Warning("MCB4060", "TargetCpu is X64Vnni, but this machine has no VNNI: its integer products saturate, so that accuracy and speed measured here are worse than on the target. Judge the result there, or set TargetCpu=Any.")
        : null;

    /// <summary>The smallest scale with which no two weights of a channel exceed the sum.</summary>
    public static double LeastScale(ReadOnlySpan<float> weights)
    {
        double first = 0, second = 0, lowest = 0, lower = 0;
        foreach (float w in weights)
        {
            if (w > first) (first, second) = (w, first);
            else if (w > second) second = w;
            if (-w > lowest) (lowest, lower) = (-w, lowest);
            else if (-w > lower) lower = -w;
        }

        return Math.Max(first + second, lowest + lower) / MaxPairSum;
    }

    private static bool MachineHasDotProducts()
    {
        if (RuntimeInformation.ProcessArchitecture == Architecture.Arm64 || AvxVnni.IsSupported) return true;
        return X86Base.IsSupported && X86Base.CpuId(0, 0).Eax >= 7 && (X86Base.CpuId(7, 0).Ecx & VnniBit) != 0 && Avx512BW.IsSupported;
    }
}
