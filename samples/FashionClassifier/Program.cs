// Loads the model that the build has compressed, and the original beside it, and judges both on images neither was trained on.
using System.Diagnostics;
using FashionClassifier;
using Microsoft.ML.OnnxRuntime;

string folder = AppContext.BaseDirectory;
var images = NpyArchive.Read<float>(Path.Combine(folder, "Data", "fashion-test.npz"), "image");
var labels = NpyArchive.Read<long>(Path.Combine(folder, "Data", "fashion-test.npz"), "labels");
int pixels = images.Length / labels.Length;

Console.WriteLine($"{labels.Length} held-out images of Fashion-MNIST");
Judge("original  ", Path.Combine(folder, "Original", "fashion.onnx"));
Judge("compressed", Path.Combine(folder, "Models", "fashion.onnx"));

void Judge(string name, string path)
{
    using var session = new InferenceSession(path);
    using var options = new RunOptions();
    int right = 0;
    var clock = Stopwatch.StartNew();
    for (int i = 0; i < labels.Length; i++)
    {
        using var image = OrtValue.CreateTensorValueFromMemory(images[(i * pixels)..((i + 1) * pixels)], [1, 1, 32, 32]);
        using var outputs = session.Run(options, ["image"], [image], ["scores"]);
        var scores = outputs[0].GetTensorDataAsSpan<float>();
        if (System.Numerics.Tensors.TensorPrimitives.IndexOfMax(scores) == labels[i]) right++;
    }

    double milliseconds = clock.Elapsed.TotalMilliseconds / labels.Length;
    Console.WriteLine(FormattableString.Invariant(
        $"  {name}  {new FileInfo(path).Length,9:N0} bytes   accuracy {100.0 * right / labels.Length:0.00} %   {milliseconds:0.00} ms per image"));
}
