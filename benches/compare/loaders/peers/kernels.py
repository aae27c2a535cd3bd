"""Fused kernels for Numba: all that happens to one image, from its stored bytes to its floats in the batch.

FFCV stores images interleaved (`planar` false). Its pipeline treats every one-dimensional array of bytes as read-only,
so bytes are gathered in two dimensions there.
"""

import math

import numpy as np


def make(task, planar):
    """What the task's workload does to one image: a function of its index, its bytes and its place in the batch."""
    from numba import njit, uint64

    side, floor = task.side, np.float32(task.floor)
    start = task.window(32).start
    count = 3 * side * side
    means, deviations = task.statistics()
    jit = njit(nogil=True, fastmath=True)

    @jit
    def whiten_floats(values, out):
        flat = out.reshape(count)
        total = np.float32(0)
        for i in range(count):
            total += values[i]
        mean = total / np.float32(count)
        squares = np.float32(0)
        for i in range(count):
            squares += (values[i] - mean) * (values[i] - mean)
        scale = np.float32(1) / max(np.float32(math.sqrt(squares / np.float32(count))), floor)
        for i in range(count):
            flat[i] = (values[i] - mean) * scale

    @jit
    def whiten_bytes(values, out):
        flat = out.reshape(count)
        total, squares = np.uint32(0), np.uint32(0)
        for i in range(count):
            value = np.uint32(values[i])
            total += value
            squares += value * value
        mean = total / count
        deviation = math.sqrt(max(squares / count - mean * mean, 0.0))
        scale = np.float32(1 / max(deviation, floor))
        shift = np.float32(-mean * scale)
        for i in range(count):
            flat[i] = np.float32(values[i]) * scale + shift

    @jit
    def whiten_planar(image, out):
        values = np.empty(count, np.uint8)
        for c in range(3):
            for y in range(side):
                row, to = image[c, start + y], (c * side + y) * side
                for x in range(side):
                    values[to + x] = row[start + x]
        whiten_bytes(values, out)

    @jit
    def whiten_interleaved(image, out):
        values = np.empty(count, np.float32)
        plane = side * side
        for y in range(side):
            row, to = image[start + y], y * side
            for x in range(side):
                values[to + x] = row[start + x, 0]
                values[plane + to + x] = row[start + x, 1]
                values[2 * plane + to + x] = row[start + x, 2]
        whiten_floats(values, out)

    whiten_image = whiten_planar if planar else whiten_interleaved

    @jit
    def stored(index, image, out):
        whiten_image(image, out)

    @njit(nogil=True, inline="always")
    def word(index, counter):
        """64 random bits of an image's index and a counter: SplitMix64 (Steele, Lea and Flood 2014)."""
        z = ((uint64(index) << uint64(32)) + uint64(counter) + uint64(1)) * uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> uint64(30))) * uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> uint64(27))) * uint64(0x94D049BB133111EB)
        return z ^ (z >> uint64(31))

    unit, turn = np.float32(2.0**-24), np.float32(2 * math.pi * 2.0**-24)

    @jit
    def noise(index, image, out):
        """Box and Muller: two normal values of each word."""
        values = np.empty(count, np.float32)
        for k in range(count // 2):
            bits = word(index, k)
            uniform = (np.float32(np.int32(bits >> uint64(40))) + np.float32(1)) * unit
            angle = np.float32(np.int32(bits & uint64(0xFFFFFF))) * turn
            radius = np.float32(math.sqrt(np.float32(-2) * math.log(uniform)))
            values[2 * k] = radius * math.cos(angle)
            values[2 * k + 1] = radius * math.sin(angle)
        for c in range(3):
            for i in range(side * side):
                values[c * side * side + i] = values[c * side * side + i] * deviations[c] + means[c]
        whiten_floats(values, out)

    @njit(nogil=True)
    def permutation(index, positions):
        """Fisher and Yates."""
        for k in range(1024):
            positions[k] = k
        for k in range(1023, 0, -1):
            other = np.int64(((word(index, k) >> uint64(32)) * uint64(k + 1)) >> uint64(32))
            kept = positions[k]
            positions[k] = positions[other]
            positions[other] = kept

    @jit
    def perm(index, image, out):
        positions = np.empty(1024, np.int32)
        permutation(index, positions)
        chosen = np.empty_like(image)
        for y in range(start, start + side):
            for x in range(start, start + side):
                row, column = positions[32 * y + x] >> 5, positions[32 * y + x] & 31
                for c in range(3):
                    if planar:
                        chosen[c, y, x] = image[c, row, column]
                    else:
                        chosen[y, x, c] = image[row, column, c]
        whiten_image(chosen, out)

    return {"stored": stored, "noise": noise, "perm": perm}[task.workload.image]


def make_normalise(task):
    """normalise(image, mirrored, out): interleaved bytes to normalised planar floats."""
    from numba import njit

    means, deviations = task.statistics()
    scale, shift, side = 1 / deviations, -means / deviations, task.side

    @njit(nogil=True, fastmath=True)
    def normalise(image, mirrored, out):
        for y in range(side):
            row = image[y]
            for c in range(3):
                a, b, line = scale[c], shift[c], out[c, y]
                if mirrored:
                    for x in range(side):
                        line[x] = np.float32(row[side - 1 - x, c]) * a + b
                else:
                    for x in range(side):
                        line[x] = np.float32(row[x, c]) * a + b

    return normalise
