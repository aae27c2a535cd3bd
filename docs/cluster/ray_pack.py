"""Packs a data set on a Ray cluster: one task per part, then the merge.

    python docs/cluster/ray_pack.py --out /shared/packed/cifar10 --parts 16 -- cifar10 /shared/cifar-10-batches-bin

What follows `--` is the command and its source, as for rfx-pack on one machine, options of the pack included. Source and
output must be on a file system that all nodes see, and rfx-pack on all of them. Parts go to OUT.parts/0, 1, ... A part
whose worker died is packed again by another one and goes on where it was; so does this script when it is run again.
"""

import argparse
import json
import subprocess
import sys

import ray


def run(command):
    """Runs rfx-pack and returns its JSON result; its own words are the error."""
    done = subprocess.run([*command, "--json", "--quiet"], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"exit code {done.returncode}: {' '.join(command)}\n{done.stderr}")
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, help="where the data set goes")
    parser.add_argument("--parts", type=int, required=True, help="number of parts, and of tasks")
    parser.add_argument("--jobs", type=int, default=4, help="threads, and CPUs, of a task")
    parser.add_argument("--program", default="rfx-pack", help="rfx-pack, where it is not on the nodes' PATH")
    parser.add_argument("--address", default=None, help="the cluster [default: as ray.init() finds it]")
    parser.add_argument("source", nargs="+", help="after `--`: the command and its source")
    args = parser.parse_args()

    ray.init(address=args.address, log_to_driver=False)
    pack = ray.remote(num_cpus=args.jobs, max_retries=3, retry_exceptions=True)(run)
    folders = [f"{args.out}.parts/{part}" for part in range(args.parts)]
    waiting = {}
    for part, folder in enumerate(folders):
        how = ["--jobs", str(args.jobs), "--part", f"{part}/{args.parts}", "--out", folder]
        waiting[pack.remote([args.program, *args.source, *how])] = part
    while waiting:
        (done,), _ = ray.wait(list(waiting), num_returns=1)
        report = ray.get(done)
        print(f"part {report['part']}: {report['shards']} shards, {report['samples']} samples", file=sys.stderr)
        del waiting[done]
    merge = ray.remote(num_cpus=1, max_retries=3)(run)
    result = ray.get(merge.remote([args.program, "merge", *folders, "--out", args.out]))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
