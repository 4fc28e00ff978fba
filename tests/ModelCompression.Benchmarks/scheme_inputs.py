#!/usr/bin/env python3
"""Everything that the table "Schemes and presets" of docs/performance.md is made from but models and tools: data that calibrates, data that judges, and models.txt.

usage: scheme_inputs.py OUT_FOLDER MODELS_FOLDER FASHION_FOLDER SPEECH_FOLDER

MODELS_FOLDER is searched, with all folders in it, for the table's models by file name (fm-dw.onnx: depthwise_network.py makes it; bert-base.onnx: 12 layers of 768, inputs
input_ids, attention_mask and token_type_ids, 30,522 words); article's net is that of samples/FashionClassifier. FASHION_FOLDER holds Fashion-MNIST's four .gz files,
SPEECH_FOLDER recordings at 16 kHz (*.wav, *.raw, folders in it included), such as Debian's pocketsphinx-testdata. Needs NumPy, Pillow, Matplotlib (for its fonts), scikit-image
and scikit-learn. The same call with the same versions makes the same files.

What calibrates never judges: Fashion-MNIST's training images and test images, text drawn from two seeds, crops of other photographs, windows of other recordings.
"""
import gzip
import os
import sys
import wave
from glob import glob

try:
    import numpy as np
    import matplotlib
    import skimage.data
    import sklearn.datasets
    from PIL import Image, ImageDraw, ImageFont
    from real_inputs import crops
except ModuleNotFoundError as error:
    sys.exit(f"scheme_inputs.py needs {error.name}: install NumPy, Pillow, Matplotlib, scikit-image and scikit-learn (Debian: python3-numpy python3-pil python3-matplotlib python3-skimage python3-sklearn).")

CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:;-/#&%()"
FONTS = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSerif", "DejaVuSansMono", "DejaVuSans-Oblique")
RATE = 16000


class Writer:
    """Writes NAME.calibration.npz and NAME.validation.npz, and a line of models.txt for each model that is there."""

    def __init__(self, out, models):
        self.out, self.models, self.lines = out, models, []

    def add(self, model, calibration, validation, more=""):
        found = [model] if os.path.exists(model) else sorted(glob(os.path.join(self.models, "**", model), recursive=True))
        if not found:
            print(f"{model}: not in {self.models}", file=sys.stderr)
            return
        files = {}
        for kind, arrays in (("calibration", calibration), ("validation", validation)):
            files[kind] = os.path.join(self.out, f"{os.path.splitext(os.path.basename(model))[0]}.{kind}.npz")
            np.savez(files[kind], **arrays)
        self.lines.append(f"{found[0]} --calibration {files['calibration']} --validation {files['validation']}{more}\n")

    def finish(self):
        with open(os.path.join(self.out, "models.txt"), "w") as file:
            file.writelines(self.lines)


def fashion(folder, part, count, border=0):
    """The first pictures, float32 [count, 1, 28 + 2 border, ...] in 0..1, and their classes."""
    with gzip.open(os.path.join(folder, part + "-images-idx3-ubyte.gz")) as file:
        pixels = np.frombuffer(file.read(16 + count * 784), np.uint8, offset=16).reshape(count, 1, 28, 28)
    with gzip.open(os.path.join(folder, part + "-labels-idx1-ubyte.gz")) as file:
        classes = np.frombuffer(file.read(8 + count), np.uint8, offset=8)
    return np.pad(pixels, ((0, 0), (0, 0), (border, border), (border, border))).astype(np.float32) / np.float32(255), classes.astype(np.int64)


def classifiers(writer, folder):
    sample = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "samples", "FashionClassifier", "Models", "fashion.onnx")
    for model, calibrate, judge, border in (("fm-cnn-bn.onnx", 128, 3000, 0), ("fm-mlp.onnx", 128, 3000, 0), ("fm-gru.onnx", 128, 3000, 0), (os.path.normpath(sample), 128, 2000, 2), ("fm-dw.onnx", 200, 3000, 0)):
        pictures, classes = fashion(folder, "t10k", judge, border)
        writer.add(model, {"image": fashion(folder, "train", calibrate, border)[0][:, None]}, {"image": pictures, "labels": classes})


def word(random):
    return "".join(random.choice(list(CHARACTERS), random.randint(2, 10)))


def drawing(random, width, height, lines, size):
    """Dark text on a light ground, turned by a degree or so, with noise; float32 [3, height, width], 0 to 255."""
    ground = random.randint(140, 256)
    picture = Image.new("RGB", (width, height), (ground, int(ground * random.uniform(0.9, 1)), int(ground * random.uniform(0.8, 1))))
    draw, ink = ImageDraw.Draw(picture), tuple(int(c) for c in random.randint(0, 100, 3))
    font = ImageFont.truetype(os.path.join(matplotlib.get_data_path(), "fonts", "ttf", FONTS[random.randint(len(FONTS))] + ".ttf"), size)
    top = (height - lines * (size + 6)) // 2
    for line in range(lines):
        left, text = random.randint(2, 16), word(random)
        while font.getlength(text) + left < 0.75 * width:
            text += " " + word(random)
        draw.text((left, top + line * (size + 6)), text, fill=ink, font=font)
    turned = picture.rotate(random.normal(0, 1), Image.BILINEAR, fillcolor=picture.getpixel((width - 1, height - 1)))
    noisy = np.asarray(turned, np.float32) + random.normal(0, random.uniform(0, 12), (height, width, 3))
    return np.clip(noisy, 0, 255).astype(np.float32).transpose(2, 0, 1)


def text_lines(seed, count, width=320):
    random = np.random.RandomState(seed)
    return np.stack([drawing(random, width, 48, 1, random.randint(22, 36)) for _ in range(count)])[:, None] / np.float32(127.5) - 1


def pages(seed, count):
    random = np.random.RandomState(seed)
    mean, deviation = (np.array(v, np.float32).reshape(3, 1, 1) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    return np.stack([(drawing(random, 320, 320, random.randint(2, 9), random.randint(14, 32)) / np.float32(255) - mean) / deviation for _ in range(count)])[:, None]


def turned(seed, count):
    """Lines for the direction classifier, every second one upside down."""
    lines = text_lines(seed, count, 192)
    lines[1::2] = lines[1::2, ..., ::-1, ::-1]
    return lines


def text(writer):
    writer.add("ch_PP-OCRv4_rec_infer.onnx", {"x": text_lines(1, 32)}, {"x": text_lines(2, 192)}, " --text true")
    writer.add("ch_PP-OCRv4_det_infer.onnx", {"x": pages(3, 16)}, {"x": pages(4, 48)})
    writer.add("ch_ppocr_mobile_v2.0_cls_infer.onnx", {"x": turned(5, 32)}, {"x": turned(6, 64)})


def photographs(*names):
    folders = (os.path.dirname(skimage.data.__file__), os.path.join(os.path.dirname(sklearn.datasets.__file__), "images"))
    return [Image.open(next(p for p in (os.path.join(f, name) for f in folders) if os.path.exists(p))).convert("RGB") for name in names]


def detectors(writer):
    random = np.random.RandomState(7)
    first, second = photographs("coffee.png", "china.jpg", "motorcycle_left.png"), photographs("astronaut.png", "flower.jpg", "rocket.jpg", "chelsea.png")
    opaque = lambda made: np.concatenate([made, np.ones(made.shape[:3] + (1,), np.float32)], 3)[:, None]
    lines = [{"input_image_with_alpha:0": opaque(crops(p, n, 320, random))} for p, n in ((first, 16), (second, 32))]
    writer.add("mlsd_320x320_tiny.onnx", *lines)
    writer.add("mlsd_320x320_large.onnx", *lines)
    faces = [{"input:0": (crops(p, n, 128, random) / np.float32(127.5) - 1)[:, None]} for p, n in ((first, 32), (second, 64))]
    writer.add("face_detection_front_128x128_barracuda.onnx", *faces)


def sound(path):
    """Samples as float32, -32768 to 32767."""
    if path.endswith(".raw"):
        return np.fromfile(path, "<i2").astype(np.float32)
    with wave.open(path) as file:
        if (file.getframerate(), file.getnchannels(), file.getsampwidth()) != (RATE, 1, 2):
            return np.zeros(0, np.float32)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32)


def mel_bands():
    """Triangles of equal area [257, 32] between 60 and 3,800 Hz, spaced evenly up to 1 kHz and by ratio above (Slaney 1998)."""
    step, ratio = 200 / 3, np.log(6.4) / 27
    edges = np.linspace(60 / step, 15 + np.log(3.8) / ratio, 34)
    edges = np.where(edges < 15, edges * step, 1000 * np.exp((edges - 15) * ratio))
    hertz, bands = np.arange(257) * RATE / 512, []
    for low, middle, high in zip(edges, edges[1:], edges[2:]):
        bands.append(np.clip(np.minimum((hertz - low) / (middle - low), (high - hertz) / (high - middle)), 0, None) * 2 / (high - low))
    return np.stack(bands, 1)


def mel(signal):
    """Ten frames of 32 decibels per 1,600 samples, at most 80 below the loudest, a tenth of them plus 2: what the speech embedding takes."""
    window = np.zeros(512)
    window[56:456] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    frames = np.stack([signal[s:s + 512] * window for s in range(0, len(signal) - 511, 160)])
    power = 10 * np.log10(np.maximum(np.abs(np.fft.rfft(frames)) ** 2 @ mel_bands(), 1e-10))
    return (np.maximum(power, power.max() - 80) / 10 + 2).astype(np.float32)


def windows(parts, count, length):
    """Windows of rows, evenly spaced over all parts together, none across two of them."""
    starts = [(part, s) for part in parts for s in range(len(part) - length + 1)]
    return np.stack([part[s:s + length] for part, s in (starts[i] for i in np.linspace(0, len(starts) - 1, count).astype(int))])


def speech(writer, folder):
    files = sorted(f for kind in ("*.raw", "*.wav") for f in glob(os.path.join(folder, "**", kind), recursive=True))
    recordings = [s for s in map(sound, files) if len(s) > RATE]
    if len(recordings) < 2:
        sys.exit(f"{folder} has no recordings: install Debian's pocketsphinx-testdata, or name a folder with *.wav or *.raw at 16 kHz.")
    first, second = recordings[::2], recordings[1::2]
    writer.add("embedding_model.onnx", *({"input_1": windows([mel(s) for s in part], n, 76)[..., None][:, None]} for part, n in ((first, 48), (second, 108))))
    random = np.random.RandomState(8)
    writer.add("silero_vad_v5.onnx", *({"input": windows([s / 32768 for s in part], n, 576).astype(np.float32)[:, None],
                                        "state": random.normal(0, 0.3, (n, 2, 1, 128)).astype(np.float32),
                                        "sr": np.full(n, RATE, np.int64)} for part, n in ((first, 64), (second, 122))))


def tokens(writer):
    random = np.random.RandomState(9)
    writer.add("bert-base.onnx", *({"input_ids": random.randint(0, 30522, (n, 1, 128)).astype(np.int64), "attention_mask": np.ones((n, 1, 128), np.int64),
                                    "token_type_ids": np.zeros((n, 1, 128), np.int64)} for n in (8, 6)))


def main(out, models, fashion_folder, speech_folder):
    if not os.path.exists(os.path.join(fashion_folder, "t10k-images-idx3-ubyte.gz")):
        sys.exit(f"{fashion_folder} has no Fashion-MNIST: install Debian's dataset-fashion-mnist, or name the folder with its four .gz files.")
    os.makedirs(out, exist_ok=True)
    writer = Writer(os.path.abspath(out), os.path.abspath(models))
    classifiers(writer, fashion_folder)
    text(writer)
    detectors(writer)
    speech(writer, speech_folder)
    tokens(writer)
    writer.finish()


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])
