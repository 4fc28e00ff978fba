using System.Globalization;
using ModelCompression.Onnx.Threading;

namespace ModelCompression.Onnx.Tests.Threading;

[TestClass]
public sealed class AsideTests
{
    [TestMethod]
    public void Run_GivesTheResultOrTheFailureOfTheWork()
    {
        Assert.AreEqual(42, Aside.Run(() => 42).GetAwaiter().GetResult());
        var failed = Aside.Run<int>(() => throw new InvalidDataException("no"));
        Assert.AreEqual("no", Assert.ThrowsExactly<InvalidDataException>(() => failed.GetAwaiter().GetResult()).Message);
    }

    [TestMethod]
    public void Run_OnLinux_GivesWayWhileOtherThreadsStayAsTheyWere()
    {
        if (!OperatingSystem.IsLinux()) Assert.Inconclusive("Nice values belong to threads on Linux only.");
        int before = Niceness();
        int aside = Aside.Run(Niceness).GetAwaiter().GetResult();
        Assert.IsGreaterThanOrEqualTo(Math.Max(5, before), aside);
        Assert.AreEqual(before, Niceness());
    }

    /// <summary>The nineteenth field of the thread's status; fields are counted behind the name, which may hold anything.</summary>
    private static int Niceness()
    {
        string status = File.ReadAllText("/proc/thread-self/stat");
        return int.Parse(status[(status.LastIndexOf(')') + 2)..].Split(' ')[16], CultureInfo.InvariantCulture);
    }
}
