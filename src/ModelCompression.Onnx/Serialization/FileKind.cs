using System.Runtime.InteropServices;

namespace ModelCompression.Onnx.Serialization;

/// <summary>Tells files from what else may stand in a file system: whoever opens a pipe waits for ever, and a device has no end.</summary>
public static partial class FileKind
{
    private const int CurrentFolder = -100;
    private const uint TypeMask = 1;

    /// <summary>Bytes of Linux's <c>struct statx</c>, which is the same on every processor, and where it has the kind.</summary>
    private const int StatusByteLength = 256, ModeOffset = 28;

    /// <summary>What stands at <paramref name="path"/>, links followed, if it is no file: <c>a folder</c>, <c>a named pipe</c>, …; null for a file, for nothing, and where the system does not say.</summary>
    public static string? OtherThanFile(string path)
    {
        if (Directory.Exists(path)) return "a folder";
        if (!OperatingSystem.IsLinux()) return null;
        Span<byte> status = stackalloc byte[StatusByteLength];
        try
        {
            if (GetStatus(CurrentFolder, path, 0, TypeMask, ref MemoryMarshal.GetReference(status)) != 0) return null;
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException)
        {
            // A C library that has another name, or that is older than the call.
            return null;
        }

        return (MemoryMarshal.Read<ushort>(status[ModeOffset..]) & 0xF000) switch
        {
            0x1000 => "a named pipe",
            0x2000 => "a character device",
            0x6000 => "a block device",
            0xC000 => "a socket",
            _ => null,
        };
    }

    /// <summary>Refuses what is no file before it is opened.</summary>
    /// <exception cref="IOException">It is something else; the message says what.</exception>
    public static void Require(string path)
    {
        if (OtherThanFile(path) is { } kind) throw new IOException($"it is {kind}, not a file.");
    }

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int GetStatus(int folder, string path, int flags, uint mask, ref byte status);
}
