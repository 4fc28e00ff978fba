using System.Text;

namespace ModelCompression.Tool.CommandLine;

/// <summary>
/// Standard output and standard error as they may be: closed, or on a full disk. The system's exceptions name neither, and one from standard error would end the process as a crash.
/// </summary>
/// <remarks>A pipe whose reader has gone (<c>| head</c>) is none of this: .NET drops what is written to it, and the work ends with its own exit code.</remarks>
internal static class StandardStreams
{
    /// <summary>Lets failing standard output throw <see cref="OutputException"/>, and drops what standard error does not take.</summary>
    public static void Guard()
    {
        Console.SetOut(new GuardedWriter(static () => Console.Out, static failure => throw new OutputException(failure)));
        Console.SetError(new GuardedWriter(static () => Console.Error, static _ => { }));
    }

    /// <summary>A writer whose failures, those of its opening included, are somebody else's business.</summary>
    private sealed class GuardedWriter : TextWriter
    {
        private readonly Action<Exception> failed;
        private readonly TextWriter? inner;
        private readonly Exception? cause;

        public GuardedWriter(Func<TextWriter> open, Action<Exception> failed)
        {
            this.failed = failed;
            try
            {
                inner = open();
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                cause = e;
            }
        }

        public override Encoding Encoding => inner?.Encoding ?? Encoding.UTF8;

        public override void Write(char value) => Try(w => w.Write(value));

        public override void Write(char[] buffer, int index, int count) => Try(w => w.Write(buffer, index, count));

        public override void Write(string? value) => Try(w => w.Write(value));

        public override void WriteLine(string? value) => Try(w => w.WriteLine(value));

        public override void Flush() => Try(w => w.Flush());

        private void Try(Action<TextWriter> write)
        {
            try
            {
                if (inner is not null) write(inner);
                else failed(cause!);
            }
            catch (Exception e) when (e is (IOException and not OutputException) or UnauthorizedAccessException)
            {
                failed(e);
            }
        }
    }
}

/// <summary>Standard output does not take the answer.</summary>
/// <param name="cause">What the system says.</param>
internal sealed class OutputException(Exception cause)
    : IOException($"Standard output cannot be written: {(cause is UnauthorizedAccessException ? "it is closed." : cause.Message)}", cause);
