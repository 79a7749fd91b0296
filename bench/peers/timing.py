"""Milliseconds of calls on one core, for the halves of bench/peers.ts in Python."""

import json
import os
import sys
import time

if hasattr(os, "sched_setaffinity"):  # Linux: whatever threads a library starts share one core.
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])


def calls_of(name):
    """Calls of a kind before the timed ones, which compile, and the timed ones: what bench/peers.ts says."""
    return json.loads(sys.argv[-1])[name]


def times(call, warm_up, calls):
    out = []
    for k in range(warm_up + calls):
        start = time.perf_counter()
        call()
        if k >= warm_up:
            out.append(1000 * (time.perf_counter() - start))
    return out
