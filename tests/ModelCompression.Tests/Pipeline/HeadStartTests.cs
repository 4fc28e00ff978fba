using ModelCompression.Pipeline;

namespace ModelCompression.Tests.Pipeline;

[TestClass]
public sealed class HeadStartTests
{
    /// <summary>A run does not wait for it, so nobody else would notice that it fails.</summary>
    [TestMethod]
    public async Task Begin_ComesToItsEnd()
    {
        var end = HeadStart.Begin();
        await end;
        Assert.IsTrue(end.IsCompletedSuccessfully);
    }
}
