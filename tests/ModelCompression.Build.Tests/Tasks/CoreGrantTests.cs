using System.Reflection;
using Microsoft.Build.Framework;
using ModelCompression.Build.Worker;

namespace ModelCompression.Build.Tests.Tasks;

[TestClass]
public sealed class CoreGrantTests
{
    [TestMethod]
    [DataRow(3, 3), DataRow(0, 1)]
    public void Request_IsWhatTheBuildGrants_ButOneAtLeast(int granted, int expected)
    {
        var engine = GrantingEngine.Of(asked =>
        {
            Assert.AreEqual(Environment.ProcessorCount, asked);
            return granted;
        });
        Assert.AreEqual(expected, CoreGrant.Request(engine, 0));
    }

    [TestMethod]
    public void Request_OfAFixedNumber_AsksNobody() =>
        Assert.AreEqual(5, CoreGrant.Request(GrantingEngine.Of(_ => throw new InvalidOperationException()), 5));

    [TestMethod]
    public void Request_WhereNobodyCanGrant_IsWhatTheMachineHas()
    {
        Assert.AreEqual(Environment.ProcessorCount, CoreGrant.Request(new RecordingBuildEngine(), 0));
        Assert.AreEqual(Environment.ProcessorCount, CoreGrant.Request(GrantingEngine.Of(_ => throw new NotImplementedException()), 0));
    }

    [TestMethod]
    public void Request_OtherFailures_AreTheBuildsOwn() =>
        Assert.ThrowsExactly<InvalidOperationException>(() => CoreGrant.Request(GrantingEngine.Of(_ => throw new InvalidOperationException()), 0));

    /// <summary>An engine that can be asked for cores and for nothing else.</summary>
    public class GrantingEngine : DispatchProxy
    {
        private Func<int, int> _grant = null!;

        public static IBuildEngine9 Of(Func<int, int> grant)
        {
            var engine = Create<IBuildEngine9, GrantingEngine>();
            ((GrantingEngine)(object)engine)._grant = grant;
            return engine;
        }

        protected override object? Invoke(MethodInfo? targetMethod, object?[]? args) =>
            targetMethod?.Name == nameof(IBuildEngine9.RequestCores) ? _grant((int)args![0]!) : throw new NotSupportedException(targetMethod?.Name);
    }
}
