using System.Runtime.Intrinsics.X86;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Options;

namespace ModelCompression.Passes.Quantization;

/// <summary>What integer kernels do on the processor a model is for.</summary>
internal static class TargetProcessor
{
    /// <summary>
    /// True when uint8 × int8 products may saturate: x64 without VNNI adds pairs of them in 16 bits (<c>vpmaddubsw</c>), and 255·127·2 does not fit. With VNNI, and on
    /// Arm64, sums are 32 bits wide. uint8 × uint8 products are widened first and exact everywhere.
    /// </summary>
    public static bool SaturatesSignedWeights(TargetCpu target) => target switch
    {
        TargetCpu.X64Vnni or TargetCpu.Arm64 => false,
        TargetCpu.Auto => !BuildMachineHasVnni,
        _ => true,
    };

    /// <summary>A warning when what this machine measures does not hold for the target, or null.</summary>
    /// <param name="target">The target.</param>
    /// <param name="buildMachineHasVnni">See <see cref="BuildMachineHasVnni"/>.</param>
    public static Diagnostic? WhyNotJudgedHere(TargetCpu target, bool buildMachineHasVnni) => target is TargetCpu.X64Vnni or TargetCpu.Arm64 && !buildMachineHasVnni
        ? Diagnostic.Warning("MCB4079", $"TargetCpu={target} allows int8 weights, whose products saturate on this machine, an x64 without VNNI: fidelity, metric and latency measured here are worse than on the target. Judge the result there, or set TargetCpu=Any.")
        : null;

    /// <summary>What <see cref="TargetCpu.Auto"/> stands for on this machine.</summary>
    public static TargetCpu OfBuildMachine => !X86Base.IsSupported ? TargetCpu.Arm64 : BuildMachineHasVnni ? TargetCpu.X64Vnni : TargetCpu.X64;

    /// <summary>True if this machine adds integer products in 32 bits.</summary>
    public static bool BuildMachineHasVnni { get; } = !X86Base.IsSupported || HasVnni();

    /// <summary>AVX512_VNNI is bit 11 of ECX of leaf 7, AVX-VNNI bit 4 of EAX of leaf 7.1 (Intel SDM, volume 2A, CPUID).</summary>
    private static bool HasVnni()
    {
        if (X86Base.CpuId(0, 0).Eax < 7) return false;
        bool wide = (X86Base.CpuId(7, 0).Ecx & (1 << 11)) != 0;
        return wide || (X86Base.CpuId(7, 0).Eax >= 1 && (X86Base.CpuId(7, 1).Eax & (1 << 4)) != 0);
    }
}
