using ModelCompression.Data;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Runtime;

namespace ModelCompression.Tests.Runtime;

[TestClass]
public sealed class SampleAttemptsTests
{
    [TestMethod]
    public void AttemptThatTellsSomething_IsTaken_AndSaturatedOnesAreLetGo()
    {
        var made = new List<Result>();
        var found = SampleAttempts.First(new Ways(20), a => a == 1 ? throw Refusal() : Make(made, a), r => r.Attempt == 4, out var failure);
        Assert.AreSame(made[^1], found);
        Assert.AreEqual(4, found!.Attempt);
        Assert.IsNotNull(failure);
        CollectionAssert.AreEqual(new[] { true, true, true, false }, made.ConvertAll(r => r.IsDisposed));
    }

    [TestMethod]
    public void AllSaturated_TheFirstThatRanIsTaken_AfterEightTries()
    {
        var made = new List<Result>();
        var found = SampleAttempts.First(new Ways(20), a => a == 0 ? throw Refusal() : Make(made, a), _ => false, out _);
        Assert.AreEqual(1, found!.Attempt);
        Assert.IsFalse(found.IsDisposed);
        Assert.HasCount(8, made);
        Assert.IsTrue(made.Skip(1).All(r => r.IsDisposed));
    }

    [TestMethod]
    public void NoneRuns_NothingIsFound_AndTheFirstFailureIsTold()
    {
        int tries = 0;
        Assert.IsNull(SampleAttempts.First<Result>(new Ways(3), a => throw Refusal(tries++), _ => true, out var failure));
        Assert.AreEqual("0", failure!.Diagnostic.Message);
        Assert.AreEqual(3, tries);
        Assert.ThrowsExactly<DiagnosticException>(() => SampleAttempts.First<Result>(new Ways(3), _ => throw new DiagnosticException("MCB9040", "missing"), _ => true, out _));
    }

    private static DiagnosticException Refusal(int number = 0) => new("MCB2041", $"{number}");

    private static Result Make(List<Result> made, int attempt)
    {
        made.Add(new(attempt));
        return made[^1];
    }

    private sealed class Result(int attempt) : IDisposable
    {
        public int Attempt { get; } = attempt;

        public bool IsDisposed { get; private set; }

        public void Dispose() => IsDisposed = true;
    }

    private sealed class Ways(int attempts) : SampleSource
    {
        public override SampleOrigin Origin => SampleOrigin.Synthetic;

        public override int Count => 1;

        public override int AttemptCount => attempts;

        public override Sample Read(int attempt, int index) => throw new NotSupportedException();
    }
}
