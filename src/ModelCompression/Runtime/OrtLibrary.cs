using System.Buffers.Binary;
using System.Reflection;
using System.Runtime.InteropServices;
using ModelCompression.Onnx.Diagnostics;

namespace ModelCompression.Runtime;

/// <summary>
/// ONNX Runtime's native library as a file, looked at before it is loaded: the end of one that was cut short is mapped without complaint and ends the process when it is touched,
/// and one of another version is called at places where it has something else.
/// </summary>
internal static class OrtLibrary
{
    private const int HeaderByteLength = 64, EntryByteLength = 56;

    /// <summary>Version that the .NET interface belongs to.</summary>
    public static string ExpectedVersion { get; } =
        typeof(OrtLibrary).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().First(a => a.Key == "OnnxRuntimeVersion").Value!;

    private static string FileName => OperatingSystem.IsWindows() ? "onnxruntime.dll" : OperatingSystem.IsMacOS() ? "libonnxruntime.dylib" : "libonnxruntime.so";

    /// <summary>
    /// The table of functions (<c>OrtApi</c> of onnxruntime_c_api.h) of the library that is loaded, for what the .NET interface does not offer; null when there is none of that version, or more than one library.
    /// </summary>
    /// <param name="version">Least version of the interface; later ones only add to the end of the table.</param>
    public static unsafe nint* Functions(uint version)
    {
        const string maps = "/proc/self/maps";
        if (!OperatingSystem.IsLinux() || !File.Exists(maps)) return null;
        string[] loaded = [.. File.ReadLines(maps).Where(l => l.Contains("/libonnxruntime.so", StringComparison.Ordinal)).Select(l => l[l.IndexOf('/', StringComparison.Ordinal)..]).Distinct()];
        if (loaded.Length != 1 || !NativeLibrary.TryLoad(loaded[0], out nint library) || !NativeLibrary.TryGetExport(library, "OrtGetApiBase", out nint entry)) return null;
        var getBase = (delegate* unmanaged<nint*>)entry;
        return (nint*)((delegate* unmanaged<uint, nint>)getBase()[0])(version);
    }

    /// <summary>Refuses a library that is missing, damaged, for another processor or of another version.</summary>
    /// <exception cref="DiagnosticException">MCB9040.</exception>
    public static void Check() => Check(Folders(), ExpectedVersion);

    /// <summary>The same for the first library that one of <paramref name="folders"/> has.</summary>
    internal static void Check(IReadOnlyList<string> folders, string expectedVersion)
    {
        if (folders.Select(f => Path.Combine(f, FileName)).FirstOrDefault(File.Exists) is not { } path)
        {
            // The system may have one.
            if (NativeLibrary.TryLoad(FileName, out _)) return;
            throw Error($"is missing: there is no '{Path.Combine(folders[0], FileName)}'");
        }

        if (WhyDamaged(path) is { } damage) throw Error($"cannot be used: '{path}' {damage}");
        if (VersionOf(path) is { } version && !SameRelease(version, expectedVersion)) throw Error($"has another version: '{path}' is {version}, expected is {expectedVersion}");
    }

    /// <summary>MCB9040.</summary>
    /// <param name="what">What is wrong with it.</param>
    /// <param name="inner">The failure.</param>
    internal static DiagnosticException Error(string what, Exception? inner = null) =>
        new("MCB9040", $"ONNX Runtime's native library {what}. Restore the package or install the tool again; on a platform without it, compress on another machine.", inner);

    /// <summary>What is wrong with a library of a system with ELF files; null when nothing is, or when it cannot be told.</summary>
    internal static string? WhyDamaged(string path)
    {
        if (!OperatingSystem.IsLinux()) return null;
        try
        {
            using var file = File.OpenRead(path);
            Span<byte> header = stackalloc byte[HeaderByteLength];
            if (file.ReadAtLeast(header, HeaderByteLength, throwOnEndOfStream: false) < HeaderByteLength || !header.StartsWith((ReadOnlySpan<byte>)[0x7F, (byte)'E', (byte)'L', (byte)'F', 2, 1])) return "is no library for a 64-bit Linux";
            if (ProcessorOf(BinaryPrimitives.ReadUInt16LittleEndian(header[18..])) is { } processor && processor != RuntimeInformation.ProcessArchitecture)
                return $"is for {processor} processors, and this process runs on {RuntimeInformation.ProcessArchitecture}";
            long needed = NeededByteLength(file, header);
            return needed > file.Length ? FormattableString.Invariant($"has {file.Length} of at least {needed} bytes") : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return $"cannot be read ({e.Message.TrimEnd('.')})";
        }
    }

    /// <summary>The end of the last loaded segment, or of the table of sections, which linkers write last.</summary>
    private static long NeededByteLength(FileStream file, ReadOnlySpan<byte> header)
    {
        const uint load = 1;
        long needed = BinaryPrimitives.ReadInt64LittleEndian(header[40..]) + (BinaryPrimitives.ReadUInt16LittleEndian(header[58..]) * (long)BinaryPrimitives.ReadUInt16LittleEndian(header[60..]));
        Span<byte> entry = stackalloc byte[EntryByteLength];
        file.Position = BinaryPrimitives.ReadInt64LittleEndian(header[32..]);
        for (int i = 0; i < BinaryPrimitives.ReadUInt16LittleEndian(header[56..]); i++)
        {
            if (file.ReadAtLeast(entry, EntryByteLength, throwOnEndOfStream: false) < EntryByteLength) return Math.Max(needed, file.Position + EntryByteLength);
            if (BinaryPrimitives.ReadUInt32LittleEndian(entry) == load) needed = Math.Max(needed, BinaryPrimitives.ReadInt64LittleEndian(entry[8..]) + BinaryPrimitives.ReadInt64LittleEndian(entry[32..]));
        }

        return needed;
    }

    private static Architecture? ProcessorOf(ushort machine) => machine switch
    {
        62 => Architecture.X64,
        183 => Architecture.Arm64,
        3 => Architecture.X86,
        40 => Architecture.Arm,
        _ => null,
    };

    /// <summary>The version that the library itself tells, by the one call that never changes.</summary>
    /// <exception cref="DllNotFoundException">The system does not load it.</exception>
    /// <exception cref="EntryPointNotFoundException">It is another library.</exception>
    private static unsafe string? VersionOf(string path)
    {
        nint library = NativeLibrary.Load(path);
        var getBase = (delegate* unmanaged<nint*>)NativeLibrary.GetExport(library, "OrtGetApiBase");
        return Marshal.PtrToStringUTF8(((delegate* unmanaged<nint>)getBase()[1])());
    }

    private static bool SameRelease(string version, string expected) =>
        Version.TryParse(version, out var found) && Version.TryParse(expected, out var wanted) ? (found.Major, found.Minor) == (wanted.Major, wanted.Minor) : version == expected;

    /// <summary>Where .NET looks for native libraries, the place first that it should be at.</summary>
    private static string[] Folders()
    {
        string system = OperatingSystem.IsWindows() ? "win" : OperatingSystem.IsMacOS() ? "osx" : "linux";
        string all = Path.Combine(AppContext.BaseDirectory, "runtimes"), own = Path.Combine(all, $"{system}-{RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant()}", "native");
        string[] searched = (AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") as string ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);
        return Directory.Exists(all) ? [own, AppContext.BaseDirectory, .. searched] : [AppContext.BaseDirectory, .. searched];
    }
}
