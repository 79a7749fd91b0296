"""Writes h5py_layouts.hdf5 and h5py_latest.hdf5, small files that hold one array in every layout that hdf5_test.ts reads.

Usage: python3 tests/golden/h5py_layouts.py (needs h5py and numpy; made with h5py 3.7.0, HDF5 1.10.8)
"""

from pathlib import Path

import h5py
import numpy as np


def values(*shape):
    """Element i, row-major, is i * 0.25 - 100."""
    return (np.arange(np.prod(shape)) * 0.25 - 100).reshape(shape).astype(np.float32)


here = Path(__file__).parent
with h5py.File(here / "h5py_layouts.hdf5", "w") as file:

    def add(name, shape, **layout):
        return file.create_dataset(name, data=values(*shape), **layout)

    add("columns", (1000, 5), chunks=(300, 1), compression="gzip")
    add("shuffled", (1000, 5), chunks=(300, 2), compression="gzip", shuffle=True)
    add("plain", (10, 3), chunks=(4, 2))
    add("line", (1001,), chunks=(10,), compression="gzip")
    add("cube", (7, 5, 3), chunks=(2, 2, 2), compression="gzip")
    add("a/b/nested", (9, 4), chunks=(5, 4), compression="gzip")
    for i in range(12):
        add(f"many/member_{i}", (3,), chunks=(2,), compression="gzip")
    described = add("described", (9, 4), chunks=(5, 4), compression="gzip")
    for i in range(20):
        described.attrs[f"note_{i}"] = "an attribute, so that the header goes on elsewhere"
    file["linked"] = h5py.SoftLink("/columns")
    add("checked", (9, 4), chunks=(5, 4), compression="gzip", fletcher32=True)
    add("contiguous", (9, 4))
    big_endian = file.create_dataset("big_endian", (9, 4), ">f4", chunks=(5, 4))
    big_endian[:] = values(9, 4)
    sparse = file.create_dataset("sparse", (10, 4), np.float32, chunks=(5, 4), fillvalue=7)
    sparse[:5] = values(5, 4)

with h5py.File(here / "h5py_latest.hdf5", "w", libver="latest") as file:
    file.create_dataset("columns", data=values(1000, 5), chunks=(300, 1), compression="gzip")
