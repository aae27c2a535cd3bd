"""Reads the event files of a run with TensorBoard's own reader.

usage: tensorboard_scalars.py RUN
Prints a JSON object: for each tag, a list of [step, value, seconds since 1970], NaN as null.
"""

import json
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

if __name__ == "__main__":
    run = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0}).Reload()
    tags = run.Tags()["scalars"]
    number = lambda x: x if x == x else None
    print(json.dumps({tag: [[e.step, number(e.value), e.wall_time] for e in run.Scalars(tag)] for tag in tags}))
