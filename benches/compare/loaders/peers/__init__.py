"""The other loaders, each in its best known form.

A peer is a function of a task that gives a function of the epoch's number, which yields (images, labels) batches. It
reads what it needs and makes labels from the task's table. Batches may be views of memory that is used again.
"""

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Callable

CIFAR = ("plain", "noise", "perm", "u8")
PHOTOS = ("imagenet-raw", "imagenet-raw-u8")
JPEGS = ("imagenet-jpeg", "imagenet-jpeg-500")
PEERS = {}


@dataclass(frozen=True)
class Peer:
    name: str
    start: Callable  # of a task, and of the number of workers where the peer has such
    workloads: tuple
    packages: tuple
    about: str
    workers: int | None
    prepare: Callable | None  # writes the peer's own format, once
    precomputes: tuple  # workloads whose images are made at the start and kept, not on the fly

    def missing(self):
        """The packages that are not installed."""
        return [name for name in self.packages if not _found(name)]

    def epochs(self, task):
        return self.start(task) if self.workers is None else self.start(task, self.workers)


def _found(name):
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # the package around it
        return False


def peer(name, workloads, packages, about, workers=(None,), prepare=None, precomputes=()):
    """Registers a peer, under a name for each number of workers."""

    def register(start):
        for count in dict.fromkeys(workers):
            full = name if count is None else f"{name}-{count}"
            PEERS[full] = Peer(full, start, workloads, packages, about, count, prepare, precomputes)
        return start

    return register


for _module in ("with_ffcv", "with_torch", "with_numba", "with_numpy", "with_opencv", "with_dali"):
    import_module(f"{__name__}.{_module}")
