"""What the halves of bench/peers.ts in Python say: milliseconds of calls on one core, and what they train."""

import json
import os
import sys
import time

if hasattr(os, "sched_setaffinity"):  # Linux: whatever threads a library starts share one core.
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])


def times(call, warm_up, calls):
    """The first calls compile."""
    out = []
    for k in range(warm_up + calls):
        start = time.perf_counter()
        call()
        if k >= warm_up:
            out.append(1000 * (time.perf_counter() - start))
    return out


def report(creators, trained):
    """Times what each function creates, as often as bench/peers.ts says; `trained` has the sizes of what the last one trains."""
    calls_of = json.loads(sys.argv[-1])
    said = {"times": {}, "parameters": {}}
    for name, create in creators.items():
        trained.clear()
        call = create()
        said["parameters"][name] = sum(trained)
        said["times"][name] = times(call, *calls_of[name])
    print(json.dumps(said))
