"""Writes gymnasium_flatten.json: episodes as Minari stores them, and what Gymnasium's `flatten` makes of their observations and actions.

Usage: python3 tests/golden/gymnasium_flatten.py (needs gymnasium, h5py and numpy; made with Gymnasium 1.3.0, h5py 3.16.0)

The spaces are those that Minari's `deserialize_space` gives back: dictionaries in the order of their keys.
"""

import base64
import gzip
import json
import tempfile
from pathlib import Path

import gymnasium
import h5py
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Text, Tuple, flatten

steps = 3


def serialized(space):
    """As Minari's `serialize_space` writes it."""
    if isinstance(space, Box):
        return {"type": "Box", "dtype": str(space.dtype), "shape": list(space.shape), "low": space.low.tolist(), "high": space.high.tolist()}
    if isinstance(space, Discrete):
        return {"type": "Discrete", "dtype": "int64", "start": int(space.start), "n": int(space.n)}
    if isinstance(space, MultiDiscrete):
        return {"type": "MultiDiscrete", "dtype": str(space.dtype), "nvec": space.nvec.tolist(), "start": space.start.tolist()}
    if isinstance(space, MultiBinary):
        return {"type": "MultiBinary", "n": space.n if isinstance(space.n, int) else [int(k) for k in space.n]}
    if isinstance(space, Dict):
        # As a file may have them: not in order.
        return {"type": "Dict", "subspaces": {key: serialized(space[key]) for key in reversed(space.spaces)}}
    if isinstance(space, Tuple):
        return {"type": "Tuple", "subspaces": [serialized(part) for part in space.spaces]}
    return {"type": "Text", "max_length": space.max_length, "min_length": space.min_length, "charset": space.characters}


def store(group, key, values, space):
    """As Minari's `HDF5Storage` writes it: a group for a dictionary or tuple, an array of all steps for anything else."""
    if isinstance(space, Dict):
        part = group.create_group(key)
        for name in space.spaces:
            store(part, name, [value[name] for value in values], space[name])
    elif isinstance(space, Tuple):
        part = group.create_group(key)
        for i, below in enumerate(space.spaces):
            store(part, f"_index_{i}", [value[i] for value in values], below)
    elif isinstance(space, Text):
        group.create_dataset(key, data=values, dtype=h5py.string_dtype(encoding="utf-8"))
    else:
        data = np.asarray(values)
        group.create_dataset(key, data=data, chunks=True, maxshape=(None, *data.shape[1:]))


unit = lambda *shape, dtype="float32": Box(-1, 1, shape, dtype)
spaces = {
    "box": unit(2, 3),
    "box_without_axes": Dict({"x": unit(), "y": unit(1)}),
    "box_unbounded": Box(-np.inf, np.inf, (2,), "float64"),
    "box_of_bytes": Box(0, 255, (2, 2), "uint8"),
    "discrete": Discrete(5, start=-2),
    "multi_discrete": MultiDiscrete(np.array([[2, 3], [4, 1]]), start=np.array([[0, 5], [-1, 7]])),
    "multi_binary": MultiBinary([2, 2]),
    "multi_binary_line": MultiBinary(3),
    "tuple_of_twelve": Tuple([unit(1) for _ in range(12)]),
    "dictionary": Dict({key: unit(1) for key in ("b", "a", "B", "a-b", "ä", "\uffff", "\U0001f600")}),
    "nested": Dict({"z": Tuple([Discrete(3), Dict({"q": unit(2), "p": MultiBinary(2)})]), "a": Dict({"x": Discrete(2), "w": unit(1, 2)})}),
    "text": Dict({"goal": Text(4), "x": unit(1)}),
}
action_spaces = {"tuple": Tuple([unit(2), unit(1)]), "discrete": Discrete(4)}
cases = {}


def add(name, observation_space, action_space, refused=None):
    observation_space.seed(len(cases))
    action_space.seed(len(cases))
    observations = [observation_space.sample() for _ in range(steps + 1)]
    actions = [action_space.sample() for _ in range(steps)]
    path = Path(tempfile.mkdtemp()) / "main_data.hdf5"
    with h5py.File(path, "w") as file:
        group = file.create_group("episode_0")
        store(group, "observations", observations, observation_space)
        store(group, "actions", actions, action_space)
        group["rewards"] = np.zeros(steps)
        group["terminations"] = np.zeros(steps, bool)
        group["truncations"] = np.arange(steps) == steps - 1
        group["infos"] = ["{}"] * (steps + 1)
    metadata = {key: json.dumps(serialized(space)) for key, space in (("observation_space", observation_space), ("action_space", action_space))}
    flat = lambda space, values: [np.asarray(flatten(space, value), "float64").tolist() for value in values]
    cases[name] = {
        "file": base64.b64encode(gzip.compress(path.read_bytes(), 9, mtime=0)).decode(),
        "metadata": json.dumps({"data_format": "hdf5", **metadata}),
        "refused": refused,
        "observations": None if refused else flat(observation_space, observations),
        "actions": None if refused else flat(action_space, actions),
    }


for name, space in spaces.items():
    add(name, space, unit(2), "observations/goal is a Text space, which has no flat form here" if name == "text" else None)
add("tuple_of_actions", unit(1), action_spaces["tuple"])
add("discrete_actions", unit(1), action_spaces["discrete"], "actions is a Discrete space; actions must be continuous here")

text = json.dumps({"source": f"gymnasium_flatten.py, Gymnasium {gymnasium.__version__}", "cases": cases}, indent=0)
(Path(__file__).parent / "gymnasium_flatten.json").write_text(text + "\n")
print(len(cases), "cases,", len(text), "characters")
