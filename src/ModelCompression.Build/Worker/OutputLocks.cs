using System;
using System.Collections.Generic;
using System.IO;
using System.Threading;
using Microsoft.Build.Framework;

namespace ModelCompression.Build.Worker;

/// <summary>
/// One lock per output: the same project is built twice at once when a referencing project adds a global property, and both builds
/// then want to write the same file. The second waits and finds the work done.
/// </summary>
internal sealed class OutputLocks : IDisposable
{
    private static readonly bool IsWindows = Path.DirectorySeparatorChar == '\\';

    private readonly List<FileStream> _locks = [];

    private OutputLocks()
    {
    }

    /// <summary>Waits until every output is ours. Sorted, so that two builds with overlapping outputs cannot wait for each other.</summary>
    /// <exception cref="IOException">A lock file cannot be made.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder is not writable.</exception>
    /// <exception cref="OperationCanceledException">The build was cancelled while waiting.</exception>
    public static OutputLocks Acquire(IEnumerable<string> outputs, IBuildEngine engine, Action waiting, Cancellation cancellation)
    {
        var sorted = new List<string>(outputs);
        sorted.Sort(StringComparer.Ordinal);
        var locks = new OutputLocks();
        try
        {
            foreach (var output in sorted) locks.Add(output + ".lock", engine, waiting, cancellation);
            return locks;
        }
        catch
        {
            locks.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        foreach (var held in _locks)
        {
            // Deleted while it is held, so that nobody loses a lock that was taken in between. On Windows closing deletes it.
            if (!IsWindows) File.Delete(held.Name);
            held.Dispose();
        }
        _locks.Clear();
    }

    private void Add(string path, IBuildEngine engine, Action waiting, Cancellation cancellation)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        if (TryAdd(path)) return;
        waiting();
        // The other build may run in this very node: without yielding it could never finish.
        var node = engine as IBuildEngine3;
        node?.Yield();
        try
        {
            while (!TryAdd(path))
            {
                cancellation.ThrowIfRequested();
                Thread.Sleep(25);
            }
        }
        finally
        {
            node?.Reacquire();
        }
    }

    private bool TryAdd(string path)
    {
        try
        {
            var held = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1, IsWindows ? FileOptions.DeleteOnClose : FileOptions.None);
            if (File.Exists(path))
            {
                _locks.Add(held);
                return true;
            }
            // The previous holder deleted the file between our opening and our locking it: this lock would exclude nobody.
            held.Dispose();
            return false;
        }
        catch (IOException e) when (IsHeldElsewhere(e))
        {
            return false;
        }
        catch (UnauthorizedAccessException) when (IsWindows && File.Exists(path))
        {
            // Windows says so while the previous holder's delete-on-close is under way.
            return false;
        }
    }

    /// <summary>Sharing violation: ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION, or EWOULDBLOCK of Linux and macOS.</summary>
    private static bool IsHeldElsewhere(IOException e) => e.HResult is unchecked((int)0x80070020) or unchecked((int)0x80070021) or 11 or 35;
}
