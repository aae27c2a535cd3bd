"""One run of one loader in this process, and the machine's copy rate."""

import os
import resource
import threading
import time

import numpy as np

TICKS = os.sysconf("SC_CLK_TCK")


def run(task, peer, started, seconds):
    """Images a second over whole epochs after one that warms up, and what they cost. `started` is when the process was
    (CLOCK_MONOTONIC)."""
    epochs, wanted = peer.epochs(task), np.bincount(task.label_table())
    first, counts = None, np.zeros_like(wanted)
    for images, labels in epochs(0):
        first = first or time.monotonic() - started
        assert len(images) == len(labels)
        counts += np.bincount(np.asarray(labels), minlength=len(wanted))
    assert (counts == wanted).all(), f"an epoch has labels {counts}, not {wanted}"
    images = labels = None
    samples, number, began, cpu, machine = 0, 0, time.monotonic(), cpu_seconds(), busy_seconds()
    while (wall := time.monotonic() - began) < seconds or number == 0:
        number += 1
        for images, labels in epochs(number):
            samples += len(labels)
    cpu, machine = cpu_seconds() - cpu, busy_seconds() - machine
    assert samples == number * wanted.sum(), f"{samples} samples in {number} epochs of {wanted.sum()}"
    return {
        "images_per_s": samples / wall,
        "images_per_cpu_s": samples / cpu,
        "cores": cpu / wall,
        "other_cores": max(0.0, (machine - cpu) / wall),
        "first_batch_s": first,
        "memory_mb": memory_mb(),
    }


def calibrate(seconds=0.3, size=256 << 20):
    """GB/s that memory copies move, on one thread and on two."""
    halves = [(np.ones(size // 2, np.uint8), np.empty(size // 2, np.uint8)) for _ in range(2)]
    for source, target in halves:
        np.copyto(target, source)

    def rate(parts):
        copied = [0] * len(parts)

        def work(k):
            while time.monotonic() < end:
                np.copyto(parts[k][1], parts[k][0])
                copied[k] += parts[k][0].nbytes

        threads = [threading.Thread(target=work, args=(k,)) for k in range(len(parts))]
        began = time.monotonic()
        end = began + seconds
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sum(copied) / (time.monotonic() - began) / 1e9

    return {"copy_gb_per_s_1": rate(halves[:1]), "copy_gb_per_s_2": rate(halves)}


def cpu_seconds():
    """User and system time of this process, its children and theirs."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    ticks = sum(sum(map(int, stat[11:15])) for pid in tree()[1:] if (stat := status(pid)))
    return time.process_time() + ended.ru_utime + ended.ru_stime + ticks / TICKS


def busy_seconds():
    """Time that all cores of the machine have spent on anything, except for waiting."""
    with open("/proc/stat") as file:
        user, nice, system, _, _, irq, softirq = map(int, file.readline().split()[1:8])
    return (user + nice + system + irq + softirq) / TICKS


def memory_mb():
    """Proportional set size of this process and all below it."""
    total = 0
    for pid in tree():
        try:
            with open(f"/proc/{pid}/smaps_rollup") as file:
                total += sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))
        except OSError:  # ended meanwhile
            pass
    return total / 1000


def status(pid):
    """The fields of /proc/PID/stat after the name, or nothing where it has ended."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return []


def tree():
    """This process and all below it."""
    parents = {int(name): int(stat[1]) for name in os.listdir("/proc") if name.isdigit() and (stat := status(name))}
    found = [os.getpid()]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found
