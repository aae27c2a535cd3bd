"""Every run is a process of its own, so that imports, memory and processor time are the loader's."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from . import measure, verify
from .peers import PEERS
from .workloads import Task

SCRIPT = Path(__file__).resolve().parents[1] / "loaders.py"
LIMIT_S = 900


class Failed(Exception):
    """A run that failed, and why."""


def call(action, task=None, peer=None, **options):
    """Does `action` in a process of its own, and gives its result."""
    fields = task and dict(vars(task), folder=str(task.folder))
    with tempfile.TemporaryDirectory() as folder:
        result, log = Path(folder) / "result.json", Path(folder) / "log"
        job = dict(action=action, task=fields, peer=peer, options=options, started=time.monotonic(), result=str(result))
        with open(log, "wb") as file:
            process = subprocess.Popen(
                [sys.executable, SCRIPT, "--child", json.dumps(job)], stdout=file, stderr=file, start_new_session=True
            )
            try:
                process.wait(LIMIT_S)
            except subprocess.TimeoutExpired:
                raise Failed(f"took more than {LIMIT_S} s") from None
            finally:
                try:  # workers that outlive their parent
                    os.killpg(process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
                process.wait()
        if not result.exists():
            raise Failed(log.read_text(errors="replace")[-2000:] or f"exit code {process.returncode}")
        return json.loads(result.read_text())


def child(text):
    """The other side of `call`."""
    job = json.loads(text)
    task = job["task"] and Task(**dict(job["task"], folder=Path(job["task"]["folder"])))
    peer = job["peer"] and PEERS[job["peer"]]
    match job["action"]:
        case "prepare":
            value = peer.prepare(task)
        case "verify":
            value = verify.peer(task, peer, **job["options"])
        case "run":
            value = measure.run(task, peer, job["started"], **job["options"])
        case "calibrate":
            value = measure.calibrate()
    unfinished = Path(job["result"] + ".unfinished")
    unfinished.write_text(json.dumps(value))
    unfinished.rename(job["result"])
    sys.stdout.flush()
    os._exit(0)  # not waiting for threads and workers of loaders that have none of this in mind
