using ModelCompression.Runtime;

namespace ModelCompression.Tests.Runtime;

[TestClass]
public sealed class RuntimeErrorTests
{
    [TestMethod]
    [DataRow("[ErrorCode:Fail] Load model from /tmp/x y/m.onnx failed:Fatal error: a:B(-1) is not a registered function/op", "Fatal error: a:B(-1) is not a registered function/op")]
    [DataRow("[ErrorCode:RuntimeException] Exception during initialization: /onnxruntime_src/onnxruntime/core/framework/x.h:34 onnxruntime::Deep(const Op&, int) layout_ == 0 was false.\n", "Exception during initialization: layout_ == 0 was false")]
    [DataRow("[ErrorCode:Fail] Could not find  an\nimplementation", "Could not find an implementation")]
    public void OneLine_KeepsWhatMatters(string message, string expected) => Assert.AreEqual(expected, RuntimeError.OneLine(message));

    [TestMethod]
    public void OneLine_LongMessage_IsCut() => Assert.AreEqual(301, RuntimeError.OneLine(new string('x', 5000)).Length);
}
