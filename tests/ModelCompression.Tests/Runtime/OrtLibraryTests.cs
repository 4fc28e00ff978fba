using System.Runtime.InteropServices;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Runtime;
using ModelCompression.Testing;

namespace ModelCompression.Tests.Runtime;

/// <summary>Copies of the native library of these tests, damaged in ways that downloads and half restored packages are.</summary>
[TestClass]
[OSCondition(OperatingSystems.Linux)]
public sealed class OrtLibraryTests : IDisposable
{
    private const string Name = "libonnxruntime.so";
    private const int MachineOffset = 18;

    private readonly TemporaryFolder folder = new();

    private static string Library { get; } =
        Path.Combine(AppContext.BaseDirectory, "runtimes", $"linux-{RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant()}", "native", Name);

    public void Dispose() => folder.Dispose();

    [TestMethod]
    public void WholeLibrary_IsAccepted()
    {
        Assert.IsNull(OrtLibrary.WhyDamaged(Library));
        OrtLibrary.Check([Path.GetDirectoryName(Library)!], OrtLibrary.ExpectedVersion);
    }

    [TestMethod]
    public void MissingLibrary_IsNamedWithItsPlace()
    {
        var error = Refusal(OrtLibrary.ExpectedVersion);
        Assert.AreEqual("MCB9040", error.Code);
        Assert.Contains($"is missing: there is no '{folder.Combine(Name)}'", error.Message);
    }

    /// <summary>The system's loader would map it; the first touch of what is not there ends the process.</summary>
    [TestMethod]
    [DataRow(0)]
    [DataRow(63)]
    [DataRow(100)]
    [DataRow(1_000_000)]
    [DataRow(-1)]
    public void LibraryThatWasCutShort_IsRefusedBeforeItIsLoaded(int length)
    {
        byte[] bytes = File.ReadAllBytes(Library);
        int kept = length < 0 ? bytes.Length + length : length;
        File.WriteAllBytes(folder.Combine(Name), bytes[..kept]);

        var error = Refusal(OrtLibrary.ExpectedVersion);

        Assert.AreEqual("MCB9040", error.Code);
        Assert.Contains(kept < 64 ? "is no library for a 64-bit Linux" : $"has {kept} of at least ", error.Message);
    }

    [TestMethod]
    public void LibraryForAnotherProcessor_IsRefused()
    {
        byte[] bytes = File.ReadAllBytes(Library);
        bytes[MachineOffset] = (byte)(RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 183 : 62);
        File.WriteAllBytes(folder.Combine(Name), bytes);

        Assert.Contains(RuntimeInformation.ProcessArchitecture == Architecture.X64 ? "is for Arm64 processors" : "is for X64 processors", Refusal(OrtLibrary.ExpectedVersion).Message);
    }

    [TestMethod]
    public void LibraryOfAnotherVersion_IsRefused()
    {
        File.CreateSymbolicLink(folder.Combine(Name), Library);

        var error = Refusal("1.17.0");

        Assert.AreEqual("MCB9040", error.Code);
        Assert.Contains($"is {OrtLibrary.ExpectedVersion}, expected is 1.17.0", error.Message);
    }

    private Diagnostic Refusal(string version) => Assert.ThrowsExactly<DiagnosticException>(() => OrtLibrary.Check([folder.Path], version)).Diagnostic;
}
