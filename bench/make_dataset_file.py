"""Writes a file of a million transitions in the layout of D4RL's halfcheetah files, as h5py lays it out, for dataset_bench.ts.

Usage: python3 bench/make_dataset_file.py big.hdf5 && ONESTEP_BENCH_DATASET=big.hdf5 deno task bench
Needs h5py and numpy (Debian: python3-h5py). Also prints how long h5py takes to read it back.
"""

import sys
import time

import h5py
import numpy as np

path, rows, rng = sys.argv[1], 1_000_000, np.random.default_rng(0)
observations = (np.cumsum(rng.normal(size=(rows, 17)) * 0.1, axis=0) % 7).astype(np.float32)
timeouts = np.zeros(rows, bool)
timeouts[999::1000] = True
arrays = {
    "observations": observations,
    "next_observations": np.roll(observations, -1, 0),
    "actions": np.tanh(rng.normal(size=(rows, 6))).astype(np.float32),
    "rewards": rng.normal(size=rows).astype(np.float32),
    "terminals": np.zeros(rows, bool),
    "timeouts": timeouts,
    "infos/action_log_probs": rng.normal(size=rows).astype(np.float32),
    "infos/qpos": rng.normal(size=(rows, 9)).astype(np.float32),
    "infos/qvel": rng.normal(size=(rows, 9)).astype(np.float32),
}
with h5py.File(path, "w") as file:
    for name, array in arrays.items():
        file.create_dataset(name, data=array, compression="gzip")

start = time.time()
with h5py.File(path) as file:
    read = {name: file[name][()] for name in arrays}
print(f"h5py: {time.time() - start:.2f} s, {sum(a.nbytes for a in read.values()) / 1e6:.0f} MB")
