using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntime;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Runtime;

/// <summary>Lets ONNX Runtime put what it makes of weights while it opens a large model where discarded tensors were (<see cref="RecycledMemory"/>).</summary>
/// <remarks>
/// An allocator of one's own is registered with the environment once; only sessions that ask for the environment's allocators use it (<c>session.use_env_allocators</c>). The binding for .NET does not offer that,
/// so functions of the C interface are called by their places in its table. Where the table or the registration is not to be had, sessions are opened as ever.
/// </remarks>
internal static unsafe class OrtRecycling
{
    private const int MinByteLength = 64 << 10;
    private const int Alignment = 64;

    /// <summary>Places in the table of functions.</summary>
    private const int CreateCpuMemoryInfo = 69, ReleaseStatus = 93, RegisterAllocator = 176;

    /// <summary>Values of <c>OrtAllocatorType</c> and <c>OrtMemType</c>.</summary>
    private const int DeviceAllocator = 0, DefaultMemory = 0;

    /// <summary>Of the table, and of the allocator: the last one whose allocators have nothing optional.</summary>
    private const uint ApiVersion = 17;

    private static readonly Lazy<bool> Registered = new(Register);
    private static nint memoryInfo;

    [ThreadStatic]
    private static bool isOpening;

    /// <summary>True when sessions may use the environment's allocators.</summary>
    public static bool IsAvailable => Registered.Value;

    /// <summary>Opens a session on this thread, which is where ONNX Runtime asks for memory meanwhile.</summary>
    public static T Use<T>(Func<T> open)
    {
        isOpening = true;
        try
        {
            return open();
        }
        finally
        {
            isOpening = false;
        }
    }

    private static bool Register()
    {
        OrtEnvironment.EnsureStarted();
        nint* functions = OrtLibrary.Functions(ApiVersion);
        if (functions is null) return false;
        nint info = 0;
        nint status = ((delegate* unmanaged<int, int, nint*, nint>)functions[CreateCpuMemoryInfo])(DeviceAllocator, DefaultMemory, &info);
        memoryInfo = info;
        if (status == 0)
        {
            // The environment keeps it to the end of the process.
            var allocator = (OrtAllocator*)NativeMemory.Alloc((nuint)sizeof(OrtAllocator));
            *allocator = new OrtAllocator
            {
                Version = ApiVersion,
                Alloc = (nint)(delegate* unmanaged<nint, nuint, void*>)&Alloc,
                Free = (nint)(delegate* unmanaged<nint, void*, void>)&Free,
                Info = (nint)(delegate* unmanaged<nint, nint>)&Info,
            };
            status = ((delegate* unmanaged<nint, nint, nint>)functions[RegisterAllocator])(OrtEnv.Instance().DangerousGetHandle(), (nint)allocator);
        }

        if (status != 0) ((delegate* unmanaged<nint, void>)functions[ReleaseStatus])(status);
        return status == 0;
    }

    [UnmanagedCallersOnly]
    private static void* Alloc(nint allocator, nuint length)
    {
        if (length == 0) return null;
        if (isOpening && length >= MinByteLength && RecycledMemory.Shared.TryTake((long)length) is not 0 and var address) return (void*)address;
        try
        {
            return NativeMemory.AlignedAlloc(length, Alignment);
        }
        catch (OutOfMemoryException)
        {
            return null;
        }
    }

    [UnmanagedCallersOnly]
    private static void Free(nint allocator, void* block)
    {
        if (!RecycledMemory.Shared.TryGiveBack((nint)block)) NativeMemory.AlignedFree(block);
    }

    [UnmanagedCallersOnly]
    private static nint Info(nint allocator) => memoryInfo;

    private struct OrtAllocator
    {
        public uint Version;
        public nint Alloc, Free, Info;
    }
}
