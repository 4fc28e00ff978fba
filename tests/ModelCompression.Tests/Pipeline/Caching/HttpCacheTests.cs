using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Pipeline;
using ModelCompression.Pipeline.Caching;
using ModelCompression.Testing;

namespace ModelCompression.Tests.Pipeline.Caching;

[TestClass]
public sealed class HttpCacheTests : IDisposable
{
    private readonly CacheFixture first = new();
    private readonly CacheFixture second = new();

    public void Dispose()
    {
        first.Dispose();
        second.Dispose();
    }

    [TestMethod]
    public void Nginx_SharesResultsBetweenMachines()
    {
        using var server = new NginxServer();
        Assert.IsFalse(first.Run(server.Address).FromCache);
        Assert.IsEmpty(first.Diagnostics);
        int before = server.Requests.Count;

        Assert.IsTrue(second.Run(server.Address).FromCache);

        CollectionAssert.AreEqual(first.Files(), second.Files());
        CollectionAssert.AreEqual(new[] { "GET 200", "GET 200", "GET 200", "GET 200", "GET 200" }, server.Requests.Skip(before).ToArray());
        CollectionAssert.AreEquivalent(new[] { "ac", "cas" }, Directory.GetDirectories(server.Root).Select(Path.GetFileName).ToArray());
    }

    [TestMethod]
    public void Nginx_TruncatedBlob_IsMadeAnew()
    {
        using var server = new NginxServer();
        first.Run(server.Address);
        string largest = Directory.GetFiles(Path.Combine(server.Root, "cas")).MaxBy(f => new FileInfo(f).Length)!;
        byte[] good = File.ReadAllBytes(largest);
        File.WriteAllBytes(largest, good[..(good.Length / 2)]);

        Assert.IsFalse(second.Run(server.Address).FromCache);

        CollectionAssert.AreEqual(first.Files(), second.Files());
        CollectionAssert.AreEqual(good, File.ReadAllBytes(largest));
    }

    [TestMethod]
    public async Task Nginx_ManyAtOnce_AllGetTheSameResult()
    {
        using var server = new NginxServer();
        // Machines do not share a thread pool.
        ThreadPool.SetMinThreads(32, 32);
        var machines = Enumerable.Range(0, 4).Select(_ => new CacheFixture()).ToArray();
        await Task.WhenAll(machines.Select(m => Task.Run(() => m.Run(server.Address))));

        var said = machines.SelectMany(m => m.Diagnostics).ToArray();
        Assert.IsEmpty(said, string.Join('\n', said.AsEnumerable()));
        foreach (var machine in machines) CollectionAssert.AreEqual(machines[0].Files(), machine.Files());
        foreach (var machine in machines) machine.Dispose();

        Assert.IsTrue(first.Run(server.Address).FromCache);
    }

    [TestMethod]
    public void Nginx_ReadOnly_IsReadAndSaysSoOnce()
    {
        using var server = new NginxServer("off");

        using var cache = ResultCache.Open(server.Address, "/", first.Diagnostics.Add)!;
        Assert.AreEqual(CompressionStatus.Compressed, first.Run(cache).Status);
        first.Run(cache, ("QuantizationScheme", "Asymmetric"));

        Assert.AreEqual("MCB9061", first.Diagnostics.Single().Code);
        Assert.AreEqual(DiagnosticSeverity.Message, first.Diagnostics.Single().Severity);
    }

    [TestMethod]
    public void NobodyListens_IsOneWarningWithoutCredentialsAndNoWait()
    {
        string address = $"http://user:secret@127.0.0.1:{NginxServer.FreePort()}/";
        using var cache = ResultCache.Open(address, "/", first.Diagnostics.Add)!;

        Assert.AreEqual(CompressionStatus.Compressed, first.Run(cache).Status);
        Assert.AreEqual(CompressionStatus.Compressed, first.Run(cache, ("QuantizationScheme", "Asymmetric")).Status);

        var warning = first.Diagnostics.Single();
        Assert.AreEqual("MCB9060", warning.Code);
        Assert.AreEqual(DiagnosticSeverity.Warning, warning.Severity);
        Assert.DoesNotContain("secret", warning.Message);
    }

    [TestMethod]
    public void ServerThatNeverAnswers_CostsOneTimeOutInAllProcesses()
    {
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        var address = new Uri($"http://127.0.0.1:{((IPEndPoint)silent.LocalEndpoint).Port}/");
        var patience = new StorePatience(TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(1));
        long start = Stopwatch.GetTimestamp();
        foreach (var machine in new[] { first, second })
        {
            using var cache = new ResultCache(new HttpStore(address, patience), machine.Diagnostics.Add);
            Assert.IsNull(Fetch(cache, machine));
            Assert.IsNull(Fetch(cache, machine));
            Assert.AreEqual("MCB9060", machine.Diagnostics.Single().Code);
        }

        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        Assert.IsGreaterThan(1.5, seconds, "it was waited for");
        Assert.IsLessThan(3.9, seconds, "but not twice");
    }

    private static CachedResult? Fetch(ResultCache cache, CacheFixture machine)
    {
        using var staging = new StagingFolder(machine.Output);
        return cache.Fetch(new string('0', 64), staging, CancellationToken.None);
    }
}
