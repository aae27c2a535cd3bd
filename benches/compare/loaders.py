"""How fast is rfx beside other loaders that deliver the same batches on this machine?

    FOLDER/bin/python benches/compare/loaders.py --cifar cifar-10-batches-bin --photos imagenet-sample [OPTIONS]

`benches/compare/setup-peers.sh FOLDER` installs the others; those that are missing are left out and named. Each run is
a new process; the loaders take turns, in another order in each round; whole epochs are timed after one that warms up.
Before that, the batches of each loader are compared with NumPy's. benches/compare/README.md says how to read tables.
"""

import argparse
import json
import platform
import random
import sys
import tempfile
from importlib import metadata
from pathlib import Path

from loaders import process, sources, tables
from loaders.peers import PEERS
from loaders.rfx import SPECS, Rfx
from loaders.workloads import CORES, WORKLOADS, Task

ROOT = Path(__file__).resolve().parents[2]
RFX = [f"rfx-{kind}{count}" for kind in ("", "fast-") for count in dict.fromkeys((1, CORES))]


def main():
    args = arguments()
    if args.child:
        return process.child(args.child)
    if args.list:
        return listing()
    results = [compare(args, name) for name in args.workload]
    precomputed = {r["workload"]: {n for n, p in PEERS.items() if r["workload"] in p.precomputes} for r in results}
    for result in results if not args.verify_only else []:
        print(tables.text(result, precomputed[result["workload"]]))
    if args.json:
        args.json.write_text(
            json.dumps({"machine": machine(), "versions": versions(), "results": results}, indent=1) + "\n"
        )
    if args.markdown:
        head = f"{machine()}. {', '.join(f'{name} {version}' for name, version in versions().items())}.\n"
        args.markdown.write_text("\n".join([head, *(tables.markdown(r, precomputed[r["workload"]]) for r in results)]))
    failed = [f"{name} ({result['workload']})" for result in results for name in result["failed"]]
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cifar", type=Path, help="CIFAR-10's binary version: the folder cifar-10-batches-bin")
    parser.add_argument("--photos", type=Path, help="photographs, a folder per class")
    parser.add_argument("--workload", type=names, help="names, comma between; all of what is given, if left out")
    parser.add_argument("--loaders", type=names, default=[], help="names or how they begin, comma between; default all")
    parser.add_argument("--repeats", type=int, default=3, help="rounds [default: 3]")
    parser.add_argument("--seconds", type=float, default=3, help="whole epochs for at least so long [default: 3]")
    parser.add_argument("--rfx", type=Path, default=ROOT / "target/release", help="where rfx's programs are")
    parser.add_argument(
        "--rfx-data", type=Path, help="CIFAR-10 as rfx-pack wrote it; packed from the arrays if left out"
    )
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "rfx-compare", help="converted data")
    parser.add_argument("--verify-only", action="store_true", help="time nothing")
    parser.add_argument("--json", type=Path, help="write all that was measured")
    parser.add_argument("--markdown", type=Path, help="write the tables, as for benches/record")
    parser.add_argument("--list", action="store_true", help="the workloads and loaders")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child or args.list:
        return args
    given = {"cifar": args.cifar} | {source: args.photos for source in ("photos", "jpegs", "jpegs-500")}
    if args.workload is None:
        args.workload = [name for name, workload in WORKLOADS.items() if given[workload.source]]
    if unknown := set(args.workload) - set(WORKLOADS):
        parser.error(f"no workload {', '.join(sorted(unknown))}; there are {', '.join(WORKLOADS)}")
    if not args.workload:
        parser.error("--cifar or --photos is needed")
    for name in args.workload:
        if not given[WORKLOADS[name].source]:
            parser.error(f"{name} needs --{'cifar' if WORKLOADS[name].source == 'cifar' else 'photos'}")
    for wanted in args.loaders:
        if not any(name.startswith(wanted) for name in [*PEERS, *RFX]):
            parser.error(f"no loader {wanted}; --list shows them")
    return args


def names(text):
    return text.split(",")


def listing():
    for workload in WORKLOADS.values():
        print(f"workload {workload.name:16} {workload.about}; batch {workload.batch}")
    for name, peer in PEERS.items():
        state = f"not installed: {', '.join(peer.missing())}" if peer.missing() else "installed"
        print(f"loader   {name:16} {peer.about} ({', '.join(peer.workloads)}; {state})")
    for name in RFX:
        what = "JPEG decoded at a smaller scale where that is enough" if "fast" in name else ", ".join(SPECS)
        print(f"loader   {name:16} rfx with so many loader threads ({what})")


def compare(args, name):
    """Verifies and measures all loaders with one workload."""
    workload = WORKLOADS[name]
    given = args.cifar if workload.source == "cifar" else args.photos
    folder, coordinates = sources.prepare(args.work, workload.source, given)
    task, known, left_out, failed = Task(name, folder), Task(name, coordinates), {}, {}
    wanted = [n for n in [*RFX, *PEERS] if not args.loaders or any(n.startswith(w) for w in args.loaders)]
    ready, verified = {}, set()
    for loader in wanted:
        begin = ready_rfx if loader in RFX else ready_peer
        try:
            ready[loader] = begin(args, loader, task, known, verified)
        except LeftOut as reason:
            if str(reason):
                left_out[loader] = str(reason)
        except (process.Failed, AssertionError) as problem:
            failed[loader] = f"{problem}"
            say(f"{name}: {loader} FAILED: {problem}")
    result = dict(
        workload=name, about=workload.about, batch=workload.batch, calibration=[], left_out=left_out, failed=failed
    )
    result["runs"] = {loader: [] for loader in ready}
    for number in range(0 if args.verify_only else args.repeats):
        result["calibration"].append(process.call("calibrate"))
        for loader in random.Random(number).sample(list(ready), len(ready)):
            try:
                run = ready[loader](args.seconds)
            except process.Failed as problem:
                failed[loader] = f"{problem}"
                say(f"{name}: {loader} FAILED: {problem}")
                continue
            result["runs"][loader].append(run)
            say(f"{name}, round {number + 1}: {loader} {run['images_per_s']:,.0f} images/s")
    return result


class LeftOut(Exception):
    """A loader that takes no part, and why, unless that is clear."""


def ready_peer(args, loader, task, known, verified):
    """A function of seconds that measures a peer, whose batches were verified, with the most workers that it has."""
    peer = PEERS[loader]
    if task.name not in peer.workloads:
        raise LeftOut
    if missing := peer.missing():
        raise LeftOut(f"{', '.join(missing)} is not installed")
    if peer.prepare:
        process.call("prepare", task, loader)
        process.call("prepare", known, loader)
    if peer.start not in verified:
        process.call("verify", task, loader, coordinates=str(known.folder))
        verified.add(peer.start)
        say(f"{task.name}: {loader} delivers what was asked for")
    return lambda seconds: process.call("run", task, loader, seconds=seconds)


def ready_rfx(args, loader, task, known, verified):
    """The same of rfx, whose batches are the same with any number of threads."""
    rfx = Rfx.named(args.rfx.absolute(), loader)
    if rfx.decode and not task.workload.source.startswith("jpegs"):
        raise LeftOut
    needed = ["rfx-pack", "rfx-inspect"] + ([] if args.verify_only else ["rfx-bench"])
    if missing := [name for name in needed if not rfx.program(name).exists()]:
        raise LeftOut(f"no {', '.join(missing)} in {args.rfx}: cargo build --release")
    given = args.rfx_data if task.workload.source == "cifar" else None
    packed = given or rfx.pack(task.folder)
    if (Rfx, rfx.decode) not in verified:
        rfx.verify(task, known.folder, packed)
        verified.add((Rfx, rfx.decode))
        say(f"{task.name}: {loader} delivers what was asked for")
    return lambda seconds: rfx.run(task, packed, seconds)


def machine():
    with open("/proc/cpuinfo") as file:
        models = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return f"{models[0] if models else platform.machine()}, {CORES} cores, Linux {platform.release()}"


def versions():
    """Of Python and the packages that are installed."""
    found = {"Python": platform.python_version()}
    for name in ("ffcv", "torch", "torchvision", "numba", "numpy", "opencv-python", "nvidia-dali-cuda130", "pillow"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            pass
    return found


def say(text):
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
