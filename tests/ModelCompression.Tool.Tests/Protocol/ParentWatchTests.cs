using System.Diagnostics;
using ModelCompression.Tool.Protocol;

namespace ModelCompression.Tool.Tests.Protocol;

[TestClass]
public sealed class ParentWatchTests
{
    [TestMethod]
    public void Start_ParentIsKilled_CancelsThenSweepsThenEnds()
    {
        // A program that waits for input which never comes.
        using var parent = Process.Start(new ProcessStartInfo("dotnet", ["msbuild", "-version", "-nodeReuse:true"]) { RedirectStandardOutput = true, RedirectStandardInput = true })!;
        var steps = new List<string>();
        using var ended = new ManualResetEventSlim();
        ParentWatch.Start(parent.Id, () => Add("cancel"), () => Add("sweep"), TimeSpan.FromMilliseconds(1), () =>
        {
            Add("end");
            ended.Set();
        });
        Assert.IsFalse(parent.HasExited && steps.Count > 0, "it did not wait for the parent");
        parent.Kill();
        Assert.IsTrue(ended.Wait(TimeSpan.FromSeconds(20)));
        CollectionAssert.AreEqual(new[] { "cancel", "sweep", "end" }, steps);

        void Add(string step)
        {
            lock (steps) steps.Add(step);
        }
    }

    [TestMethod]
    public void Start_ParentIsGoneAlready_EndsAtOnce()
    {
        using var parent = Process.Start(new ProcessStartInfo("dotnet", ["--version"]) { RedirectStandardOutput = true })!;
        parent.WaitForExit();
        using var ended = new ManualResetEventSlim();
        ParentWatch.Start(parent.Id, () => { }, () => { }, TimeSpan.Zero, ended.Set);
        Assert.IsTrue(ended.Wait(TimeSpan.FromSeconds(20)));
    }

    [TestMethod]
    public void Start_NoParent_WatchesNothing()
    {
        using var ended = new ManualResetEventSlim();
        ParentWatch.Start(0, ended.Set, ended.Set, TimeSpan.Zero, ended.Set);
        Assert.IsFalse(ended.Wait(TimeSpan.FromMilliseconds(200)));
    }
}
