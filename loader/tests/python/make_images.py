"""Makes the small image files that decoders are named by: `make_images.py FOLDER [WIDTH HEIGHT]` (needs Pillow, NumPy).

The files are committed (`loader/src/decode/conformance`), as encoders of another version write other bytes. Sides are
odd and larger than two blocks, so that chroma is upsampled over edges and blocks are cut. `arithmetic.jpg` and `ycck.jpg`,
which Pillow does not write, are libjpeg-turbo's (`tj3Compress8` of the same pixels).
"""

import io
import pathlib
import struct
import sys
import zlib

import numpy as np
from PIL import Image

WIDTH, HEIGHT = map(int, sys.argv[2:4]) if len(sys.argv) > 2 else (45, 37)


def photograph():
    """Gradients, an edge and noise in three channels, from integers alone."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.int64)
    noise = (x * 7919 + y * 104729 + x * y * 31) % 23
    red = x * 5 + noise
    green = y * 6 + ((x // 9 + y // 7) % 2) * 40
    blue = 255 - (x * 3 + y * 2) + noise
    return np.clip(np.stack([red, green, blue], axis=-1), 0, 255).astype(np.uint8)


def png(rows, colour_type, depth, extra=b""):
    """A PNG by hand, for what Pillow does not write."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, depth, colour_type, 0, 0, 0)
    data = b"".join(b"\0" + row.tobytes() for row in rows)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def main(folder):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rgb = photograph()
    image = Image.fromarray(rgb)
    grey = image.convert("L")
    alpha = Image.fromarray(np.linspace(0, 255, WIDTH * HEIGHT).astype(np.uint8).reshape(HEIGHT, WIDTH))
    rgba = image.copy()
    rgba.putalpha(alpha)

    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(folder / "rgb420.jpg", quality=85, subsampling=2)
    image.save(folder / "rgb422.jpg", quality=90, subsampling=1, exif=exif)
    image.save(folder / "progressive.jpg", quality=80, progressive=True)
    grey.save(folder / "grey.jpg", quality=85)
    image.convert("CMYK").save(folder / "cmyk.jpg", quality=85)

    image.save(folder / "rgb.png")
    rgba.save(folder / "rgba.png")
    Image.merge("LA", (grey, alpha)).save(folder / "grey-alpha.png")
    image.quantize(32).save(folder / "palette.png", transparency=3)
    wide = rgb.astype(np.uint16) * 256 + rgb[::-1]
    (folder / "rgb16.png").write_bytes(png(wide.astype(">u2"), 2, 16))
    (folder / "grey16.png").write_bytes(png(wide[:, :, 0].astype(">u2"), 0, 16))

    # The first frame counts; the second must leave no trace.
    image.quantize(64).save(folder / "two-frames.gif", save_all=True, append_images=[image.rotate(180).quantize(64)])
    image.save(folder / "rgb.bmp")
    image.save(folder / "lossless.webp", lossless=True)
    image.save(folder / "lossy.webp", quality=80)


main(sys.argv[1])
