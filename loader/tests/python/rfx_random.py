"""Random words and the permutation of an epoch: the parts of the reference implementation that all others draw from."""

import math
import struct

import numpy as np
from blake3 import blake3

U32, U64, I64 = np.uint32, np.uint64, np.int64


def key(domain, seed):
    """The 32-byte ChaCha key of a domain: seeds are hashed, so neighbouring ones have nothing in common."""
    return blake3(struct.pack("<Q", seed), derive_key_context="rfx v1 " + domain).digest()


def _quarter_round(s, a, b, c, d):
    for x, y, z, turn in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        s[x] = s[x] + s[y]
        mixed = s[z] ^ s[x]
        s[z] = (mixed << U32(turn)) | (mixed >> U32(32 - turn))


def words(domain, seed, streams, epoch, count):
    """The first `count` words of each stream (a sample id) in an epoch: u32 [n, count].

    ChaCha8 with a 64-bit block counter (epoch in its high half) and a 64-bit stream number.
    """
    streams = np.atleast_1d(np.asarray(streams)).astype(U64)
    n, blocks = len(streams), -(-count // 16)
    state = np.empty((16, n, blocks), U32)
    state[:4] = np.frombuffer(b"expand 32-byte k", "<u4")[:, None, None]
    state[4:12] = np.frombuffer(key(domain, seed), "<u4")[:, None, None]
    state[12] = np.arange(blocks, dtype=U32)
    state[13] = U32(epoch)
    state[14] = (streams & U64(0xFFFFFFFF)).astype(U32)[:, None]
    state[15] = (streams >> U64(32)).astype(U32)[:, None]
    s = state.copy()
    for _ in range(4):  # a double round each
        for column in range(4):
            _quarter_round(s, column, column + 4, column + 8, column + 12)
        for column in range(4):
            _quarter_round(s, column, (column + 1) % 4 + 4, (column + 2) % 4 + 8, (column + 3) % 4 + 12)
    s += state
    return s.transpose(1, 2, 0).reshape(n, blocks * 16)[:, :count]


def mulshift(word, n):
    """A word as an integer in 0..n, by one multiplication and no rejection."""
    return (word.astype(U64) * U64(n)) >> U64(32)


def threshold(probability):
    """A probability as the integer it is compared as: round(p * 2^32), half up."""
    return math.floor(probability * 2.0**32 + 0.5)


def hits(word, probability):
    """The event of this probability, for each word."""
    return word.astype(U64) < U64(threshold(probability))


def share(probability, n):
    """round(p * n), half up, in integers."""
    return (threshold(probability) * n + 2**31) >> 32


class Feistel:
    """A keyed permutation of 0..m that needs no memory: `permutation(positions)` -> positions."""

    def __init__(self, domain, seed, epoch, m, stream=0):
        self.m = m
        bits = max(8, (m - 1).bit_length())
        self.high, self.low = U64((bits + 1) // 2), U64(bits // 2)
        self.round_keys = words(domain, seed, stream, epoch, 8)[0].astype(U64)

    def __call__(self, positions):
        x = np.array(positions, U64)
        outside = np.ones(x.shape, bool)
        while outside.any():  # cycle walking: again, until inside 0..m
            x[outside] = self._rounds(x[outside])
            outside = x >= U64(self.m)
        return x.astype(I64)

    def _rounds(self, x):
        high_mask, low_mask = (U64(1) << self.high) - U64(1), (U64(1) << self.low) - U64(1)
        a, c = x >> self.low, x & low_mask
        for r, k in enumerate(self.round_keys):
            if r % 2 == 0:
                a ^= fmix32(c ^ k) & high_mask
            else:
                c ^= fmix32(a ^ k) & low_mask
        return (a << self.low) | c


class Windowed:
    """The windowed order of 0..m: blocks of rows in random order, and rows in random order within windows of blocks."""

    def __init__(self, text, seed, epoch, m):
        window, _, block = text.removeprefix("windowed:").partition(",block=")
        self.block = int(block or 64)
        self.per_window = int(window) // self.block
        self.seed, self.epoch, self.m = seed, epoch, m
        self.blocks = Feistel("order", seed, epoch, -(-m // self.block))

    def all(self):
        """The rows at all positions."""
        placed = [np.arange(b * self.block, min((b + 1) * self.block, self.m))
                  for b in self.blocks(np.arange(self.blocks.m))]
        windows = []
        for first in range(0, len(placed), self.per_window):
            rows = np.concatenate(placed[first : first + self.per_window])
            inside = Feistel("order/window", self.seed, self.epoch, len(rows), stream=first // self.per_window)
            windows.append(rows[inside(np.arange(len(rows)))])
        return np.concatenate(windows)


def fmix32(h):
    """MurmurHash3's finaliser, on the low 32 bits of u64 values."""
    mask = U64(0xFFFFFFFF)
    h = h ^ (h >> U64(16))
    h = (h * U64(0x85EBCA6B)) & mask
    h = h ^ (h >> U64(13))
    h = (h * U64(0xC2B2AE35)) & mask
    return h ^ (h >> U64(16))
