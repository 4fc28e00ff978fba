"""Photographs and speech as inputs for the published models of docs/performance.md, one .npz per model.

usage: real_inputs.py OUT_FOLDER SPEECH_FOLDER

Photographs are those that scikit-image and scikit-learn carry; SPEECH_FOLDER holds raw 16-bit little-endian recordings at 16 kHz (*.raw), such as
those of pocketsphinx. Needs numpy, Pillow, scikit-image and scikit-learn. The same call makes the same files.
"""
import os
import sys
from glob import glob

try:
    import numpy as np
    import skimage.data
    import sklearn.datasets
    from PIL import Image
except ModuleNotFoundError as error:
    sys.exit(f"real_inputs.py needs {error.name}: install NumPy, Pillow, scikit-image and scikit-learn (Debian: python3-numpy python3-pil python3-skimage python3-sklearn).")


def photographs():
    folder = os.path.dirname(skimage.data.__file__)
    carried = [Image.open(os.path.join(folder, name)).convert("RGB") for name in ("astronaut.png", "coffee.png", "rocket.jpg")]
    folder = os.path.join(os.path.dirname(sklearn.datasets.__file__), "images")
    return carried + [Image.open(os.path.join(folder, name)).convert("RGB") for name in ("flower.jpg", "china.jpg")]


def crops(pictures, count, size, random):
    """Square crops of 45 % to all of the shorter side, every second one mirrored on average; float32, 0 to 255, channels last."""
    made = []
    for i in range(count):
        picture = pictures[i % len(pictures)]
        side = int(min(picture.size) * random.uniform(0.45, 1))
        left, top = (random.randint(0, extent - side + 1) for extent in picture.size)
        crop = np.array(picture.crop((left, top, left + side, top + side)).resize((size, size), Image.BILINEAR))
        made.append(crop[:, ::-1] if random.rand() < 0.5 else crop)
    return np.stack(made).astype(np.float32)


def chunks(signal, count, length):
    starts = np.linspace(0, len(signal) - length, count).astype(int)
    return np.stack([signal[s:s + length] for s in starts])


def main(out, speech):
    recordings = sorted(glob(os.path.join(speech, "*.raw")))
    if not recordings:
        sys.exit(f"{speech} has no *.raw: install Debian's pocketsphinx-testdata, or name a folder with recordings.")
    os.makedirs(out, exist_ok=True)
    random = np.random.RandomState(1)
    pictures = photographs()
    lines = crops(pictures, 30, 320, random)
    opaque = np.ones(lines.shape[:3] + (1,), np.float32)
    np.savez(os.path.join(out, "mlsd.npz"), **{"input_image_with_alpha:0": np.concatenate([lines, opaque], 3)})
    for name, size in (("face_back", 256), ("face_front", 128)):
        np.savez(os.path.join(out, name + ".npz"), **{"input:0": crops(pictures, 30, size, random) / 127.5 - 1})
    signal = np.concatenate([np.fromfile(f, "<i2").astype(np.float32) / 32768 for f in recordings])
    count, rate = 200, np.full(200, 16000, np.int64)
    state = np.zeros((count, 2, 1, 128), np.float32)
    np.savez(os.path.join(out, "silero.npz"), input=chunks(signal, count, 576), state=state, sr=rate)
    np.savez(os.path.join(out, "silero_legacy.npz"), input=chunks(signal, count, 1536), h=state[..., :64], c=state[..., :64], sr=rate)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
