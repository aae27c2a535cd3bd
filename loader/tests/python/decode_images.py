"""What Pillow makes of image files, by the rules of `loader/src/decode/mod.rs`:

    decode_images.py [--shorter S --crop C] FILE...

prints one JSON object per file: name, width, height, and BLAKE3 of the RGB pixels; with `--shorter` and `--crop` also the
pixels after resizing (antialiased bilinear) and cropping, in hexadecimal.
"""

import argparse
import json
import pathlib

import numpy as np
from blake3 import blake3
from PIL import Image, ImageOps


def decode(path):
    image = Image.open(path)
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16") or image.mode == "I":
        # Sixteen bits of grey, which Pillow does not make RGB of by the high byte.
        return np.repeat((np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8)[:, :, None], 3, axis=2)
    if image.mode in ("RGBA", "LA"):
        # Alpha is dropped, and is not multiplied in.
        image = Image.merge({"RGBA": "RGB", "LA": "L"}[image.mode], image.split()[:-1])
    return np.asarray(image.convert("RGB"))


def fit(pixels, shorter, crop):
    height, width = pixels.shape[:2]
    if width <= height:
        size = (shorter, int(shorter * height / width))
    else:
        size = (int(shorter * width / height), shorter)
    image = Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR)
    left, top = (size[0] - crop) // 2, (size[1] - crop) // 2
    return np.asarray(image.crop((left, top, left + crop, top + crop)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shorter", type=int)
    parser.add_argument("--crop", type=int)
    parser.add_argument("files", nargs="+", type=pathlib.Path)
    args = parser.parse_args()
    for path in args.files:
        pixels = np.ascontiguousarray(decode(path))
        out = {"name": path.name, "height": pixels.shape[0], "width": pixels.shape[1]}
        out["pixels"] = blake3(pixels.tobytes()).hexdigest()
        if args.shorter:
            out["fitted"] = fit(pixels, args.shorter, args.crop).tobytes().hex()
        print(json.dumps(out))


main()
