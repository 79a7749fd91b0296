"""Writes h5py_kinds.json: small HDF5 files, each a dataset in D4RL's layout with one thing stored in another way, as h5py_kinds_test.ts reads them.

Usage: python3 tests/golden/h5py_kinds.py (needs h5py and numpy; made with h5py 3.16.0, HDF5 2.0.0)

`files` has, by name, the file (gzip, base64), other files that belong in its folder, and what is expected: null if it reads as the plain
file does, which h5py confirms here; else words of the refusal.
"""

import base64
import gzip
import json
import tempfile
from pathlib import Path

import h5py
import numpy as np
from h5py import h5d, h5f, h5p, h5r, h5s, h5t

n = 12
plain = {
    "observations": (np.arange(3 * n) % 7).reshape(n, 3),
    "actions": (np.arange(2 * n) % 2).reshape(n, 2),
    "rewards": np.arange(n) % 5,
    "terminals": np.arange(n) % 6 == 5,
    "timeouts": np.arange(n) % 4 == 3,
}
types = {"observations": "f4", "actions": "f4", "rewards": "f4", "terminals": "?", "timeouts": "?"}
files = {}
folder = Path(tempfile.mkdtemp())


def put(file, key, dtype=None, **layout):
    return file.create_dataset(key, data=plain[key].astype(dtype or types[key]), **layout)


def add(name, change=lambda file: None, refused=None, left_out=(), others=(), **options):
    """Writes the arrays of `left_out` by `change`, the rest plainly."""
    path = folder / f"{name}.hdf5"
    with h5py.File(path, "w", **options) as file:
        for key in plain:
            if key not in left_out:
                put(file, key)
        change(file)
    keep(name, path, refused, others)


def keep(name, path, refused=None, others=()):
    if refused is None:
        with h5py.File(path) as file:
            for key, wanted in plain.items():
                found = file[key][()].reshape(wanted.shape)
                assert (found.astype("f8") == wanted.astype("f8")).all(), (name, key)
    pack = lambda p: base64.b64encode(gzip.compress(p.read_bytes(), 9, mtime=0)).decode()
    files[name] = {"file": pack(path), "others": {p.name: pack(p) for p in others}, "refused": refused}


def of_type(name, dtype, keys=("observations", "actions", "rewards"), refused=None, **layout):
    add(name, lambda f: [put(f, key, dtype, **layout) for key in keys], refused, keys)


# Types.
for kind in ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8"):
    of_type(f"numbers_{kind}", f"<{kind}")
    if kind[1] != "1":
        of_type(f"numbers_big_endian_{kind}", f">{kind}")
        of_type(f"numbers_big_endian_{kind}_gzip", f">{kind}", compression="gzip")
    of_type(f"flags_{kind}", kind, ("terminals", "timeouts"))
for base in ("u1", ">i2", "i8"):
    answers = h5py.enum_dtype({"NO": 0, "YES": 1}, basetype=base)
    big = "it holds enumerated values in big-endian order" if base[0] == ">" else None
    of_type(f"flags_enum_{base.strip('>')}", answers, ("terminals", "timeouts"), big)
of_type("longdouble", np.longdouble, ("rewards",), "rewards must be an array of rank 1, current is another thing: it holds floating-point numbers of 128 bits")
of_type("complex", "c8", ("rewards",), "it holds values of a compound type")


def low(key, type_id, data, dcpl=None):
    """A dataset of a type that NumPy has not."""

    def change(file):
        space = h5s.create_simple(plain[key].shape)
        dataset = h5d.create(file.id, key.encode(), type_id, space, dcpl)
        if data is not None:
            dataset.write(h5s.ALL, h5s.ALL, np.ascontiguousarray(data))

    return change


bfloat16 = h5t.IEEE_F16LE.copy()
bfloat16.set_fields(15, 7, 8, 0, 7)
bfloat16.set_ebias(127)
add("bfloat16", low("rewards", bfloat16, plain["rewards"].astype("f4")), "it holds numbers of 16 bits with 8 for the exponent", ("rewards",))
narrow = h5t.STD_I32LE.copy()
narrow.set_precision(17)
add("int_of_17_bits", low("rewards", narrow, plain["rewards"].astype("i4")), "it holds integers of 17 bits in 32", ("rewards",))
three = h5t.STD_I32LE.copy()
three.set_precision(24)
three.set_size(3)
add("int_of_3_bytes", low("rewards", three, plain["rewards"].astype("i4")), "it holds integers of 24 bits", ("rewards",))
add("bitfield", low("terminals", h5t.STD_B8LE, None), "terminals must be an array of rank 1, current is another thing: it holds bits", ("terminals",))
opaque = h5t.create(h5t.OPAQUE, 4)
opaque.set_tag(b"tag")
add("opaque", low("rewards", opaque, None), "it holds opaque bytes", ("rewards",))
add("array_type", lambda f: f.create_dataset("observations", (n,), "(3,)f4"), "it holds arrays in every element", ("observations",))
add("compound", lambda f: f.create_dataset("rewards", data=np.zeros(n, [("a", "f4"), ("b", "i4")])), "it holds values of a compound type", ("rewards",))
add("text_fixed", lambda f: f.create_dataset("rewards", data=np.array([b"1"] * n)), "it holds text", ("rewards",))
add("text", lambda f: f.create_dataset("rewards", data=["1"] * n, dtype=h5py.string_dtype()), "it holds text", ("rewards",))
add("lists", lambda f: f.create_dataset("rewards", (n,), dtype=h5py.vlen_dtype("f4")), "it holds lists of various lengths", ("rewards",))
add("references", lambda f: f.create_dataset("rewards", data=[f["actions"].ref] * n, dtype=h5py.ref_dtype), "it holds references", ("rewards",))
add("empty_dataspace", lambda f: f.create_dataset("timeouts", data=h5py.Empty("?")), "timeouts must be an array of rank 1, current is another thing: it has no dataspace", ("timeouts",))
add("single_value", lambda f: f.create_dataset("rewards", data=np.float32(1)), "it is a single value", ("rewards",))


def with_value(key, dtype, at, value):
    def change(file):
        data = plain[key].astype(dtype)
        data[at] = value
        file[key] = data

    return change


# Values that a type or a field cannot have.
add("int64_beyond_float32", with_value("observations", "i8", (4, 1), 2**24 + 1), "row 4, column 1 is 16777217", ("observations",))
add("int32_beyond_float32", with_value("rewards", "i4", 3, 2**24 + 1), "row 3 is 16777217", ("rewards",))
add("uint64_beyond_float32", with_value("rewards", "u8", 3, 2**64 - 1), "row 3 is 18446744073709551615", ("rewards",))
add("float64_beyond_float32", with_value("rewards", "f8", 2, 1e39), "row 2 is 1e+39", ("rewards",))
add("nan", with_value("actions", "f8", (7, 0), np.nan), "actions must be finite, row 7, column 0 is NaN", ("actions",))
add("infinite_half", with_value("rewards", "f2", 5, np.inf), "rewards must be finite, row 5 is Infinity", ("rewards",))
add("flag_of_two", with_value("timeouts", "i8", 6, 2), "timeouts must be 0 or 1, row 6 is 2", ("timeouts",))
add("flag_of_a_half", with_value("terminals", "f4", 6, 0.5), "terminals must be 0 or 1, row 6 is 0.5", ("terminals",))
add("no_rows", lambda f: [f.create_dataset(k, data=plain[k][:0].astype(types[k])) for k in plain], "it must have rows", tuple(plain))
add("rewards_too_short", lambda f: f.create_dataset("rewards", data=np.zeros(n - 1, "f4")), "rewards must have 12 rows like observations, current is 11", ("rewards",))
add("rewards_missing", refused="rewards must be an array of rank 1, current is missing; there are actions, observations, terminals, timeouts", left_out=("rewards",))
add("many_names", lambda f: [f.create_group(f"demo_{i}") for i in range(300)], "current is missing; there are demo_0/, demo_1/, demo_10/, demo_100/, demo_101/, demo_102/, demo_103/, demo_104/ and 292 more", tuple(plain))
add("images", lambda f: f.create_dataset("observations", data=np.zeros((n, 2, 2, 3), "u1")), "observations must be an array of rank 2, current is shape [12, 2, 2, 3]", ("observations",))

# Layouts.
numbers = ("observations", "actions", "rewards")


def laid_out(name, refused=None, file_options={}, dtype=None, keys=numbers, **layout):
    add(name, lambda f: [put(f, key, dtype, **layout) for key in keys], refused, keys, **file_options)


laid_out("chunked", chunks=True)
laid_out("gzip", compression="gzip")
laid_out("gzip_9_shuffle", compression="gzip", compression_opts=9, shuffle=True)
laid_out("gzip_fletcher_shuffle", compression="gzip", fletcher32=True, shuffle=True)
laid_out("fletcher", fletcher32=True, chunks=True)
laid_out("scale_offset", scaleoffset=0, dtype="i4", chunks=True)
laid_out("scale_offset_float", scaleoffset=2, chunks=True)
laid_out("flags_gzip", keys=("terminals", "timeouts"), compression="gzip", chunks=(5,))
add("lzf", lambda f: f.create_dataset("rewards", data=np.zeros(400, "f4"), compression="lzf"), "rewards: its filter lzf is not at hand here", ("rewards",))
add("small_chunks", lambda f: [put(f, "observations", chunks=(5, 2), compression="gzip"), put(f, "actions", chunks=(5, 1), compression="gzip")], None, ("observations", "actions"))
laid_out("resizable", keys=("rewards",), maxshape=(None,), chunks=(5,))
laid_out("float64_small_chunks", keys=("observations",), dtype="f8", chunks=(5, 2), compression="gzip")


def resized(from_rows):
    def change(file):
        d = file.create_dataset("observations", (from_rows, 3), "f4", maxshape=(None, 3), chunks=(4, 3))
        d[:] = 9
        d.resize((n, 3))
        d[:] = plain["observations"]

    return change


add("grown", resized(5), None, ("observations",))
add("shrunk", resized(30), None, ("observations",))


def unwritten(file):
    d = file.create_dataset("timeouts", (n,), "?", chunks=(4,), fillvalue=False)
    d[3], d[7], d[11] = True, True, True
    d = file.create_dataset("actions", (n, 2), "f4", chunks=(4, 1), fillvalue=0)
    d[:, 1] = 1


add("chunks_never_written", unwritten, None, ("timeouts", "actions"))


def compact(file):
    dcpl = h5p.create(h5p.DATASET_CREATE)
    dcpl.set_layout(h5d.COMPACT)
    low("rewards", h5t.IEEE_F32LE, plain["rewards"].astype("f4"), dcpl)(file)


add("compact", compact, None, ("rewards",))
for libver in ("v108", "v110", "v112", "v114", "latest"):
    add(f"libver_{libver}", libver=(libver, libver))
    laid_out(f"libver_{libver}_gzip", file_options={"libver": (libver, libver)}, compression="gzip")
latest = {"libver": "latest"}
laid_out("latest_fixed_array", file_options=latest, keys=("observations",), chunks=(5, 2))
laid_out("latest_extensible_array", file_options=latest, keys=("observations",), chunks=(5, 2), maxshape=(None, 3))
laid_out("latest_btree2", file_options=latest, keys=("observations",), chunks=(5, 2), maxshape=(None, None))
laid_out("latest_bool_gzip", file_options=latest, keys=("terminals", "timeouts"), compression="gzip")
add("columns", lambda f: [f.create_dataset(k, data=plain[k].astype(types[k])[:, None]) for k in ("rewards", "terminals", "timeouts")], None, ("rewards", "terminals", "timeouts"))
add("user_block_512", userblock_size=512)
add("user_block_8192", userblock_size=8192)
laid_out("user_block_gzip", file_options={"userblock_size": 1024}, compression="gzip")
add("pages", fs_strategy="page", fs_persist=True)
add("track_order", track_order=True)


def sizes(bytes_of_address):
    path = folder / f"addresses_{bytes_of_address}.hdf5"
    fcpl = h5p.create(h5p.FILE_CREATE)
    fcpl.set_sizes(bytes_of_address, bytes_of_address)
    with h5py.File(h5f.create(str(path).encode(), fcpl=fcpl)) as file:
        for key in plain:
            put(file, key)
    return path


keep("addresses_4", sizes(4), "it must be an HDF5 file with addresses of 8 bytes")

# Links.
add("hard_cycle", lambda f: f.create_group("g").__setitem__("up", f["/"]))
add("hard_cycle_long", lambda f: [f.create_group("a/b/c"), f["a/b/c"].__setitem__("up", f["a"])])
add("soft_cycle", lambda f: f.__setitem__("self", h5py.SoftLink("/")))
add("soft_loop", lambda f: f.__setitem__("loop", h5py.SoftLink("/loop")))
add("soft_link", lambda f: [put(f, "rewards", compression="gzip"), f.move("rewards", "elsewhere"), f.__setitem__("rewards", h5py.SoftLink("/elsewhere"))], None, ("rewards",))
add("hard_link", lambda f: [f.create_group("g"), f.__setitem__("g/r", put(f, "rewards")), f.__delitem__("rewards"), f.__setitem__("rewards", f["g/r"])], None, ("rewards",))
add("dangling_timeouts", lambda f: f.__setitem__("timeouts", h5py.SoftLink("/nowhere")), "timeouts must be an array of rank 1, current is another thing: it links to what is not there", ("timeouts",))
add("dangling_beside", lambda f: f.__setitem__("gone", h5py.SoftLink("/nowhere")))
add("external_dangling", lambda f: f.__setitem__("rewards", h5py.ExternalLink("other.hdf5", "/x")), "it links to what is not there", ("rewards",))
add("external_outside", lambda f: f.__setitem__("rewards", h5py.ExternalLink("/etc/hostname", "/x")), "it links to what is not there", ("rewards",))

with h5py.File(folder / "behind_a_link.hdf5", "w", userblock_size=512) as file:
    put(file, "rewards", compression="gzip")
    put(file, "observations", ">f8")
add("external_link", lambda f: [f.__setitem__(k, h5py.ExternalLink("behind_a_link.hdf5", k)) for k in ("rewards", "observations")], None, ("rewards", "observations"), [folder / "behind_a_link.hdf5"])


def virtual(file):
    layout = h5py.VirtualLayout((n,), "f4")
    layout[:] = h5py.VirtualSource("behind_a_link.hdf5", "rewards", (n,))
    file.create_virtual_dataset("rewards", layout)


add("virtual", virtual, None, ("rewards",), [folder / "behind_a_link.hdf5"])
add("virtual_absent", virtual, None, ("rewards",))
files["virtual_absent"]["refused"] = "it is put together from behind_a_link.hdf5, which is not in the same folder"
(folder / "raw.bin").write_bytes(b"\0" * 4 * n)
add("raw_elsewhere", lambda f: f.create_dataset("rewards", (n,), "f4", external=[("/nowhere/raw.bin", 0, 4 * n)]), "Cannot read dataset", ("rewards",))



# Small files that ask for much.
def many_paths(file):
    here = file.create_group("episode_0/observations")
    for _ in range(40):
        there = here.create_group("left")
        here["right"] = there
        here = there


huge = dict(dtype="f4", chunks=(2**16, 3), compression="gzip")
add("bomb", lambda f: f.create_dataset("observations", (2**30, 3), **huge), "its arrays must take at most 4294967296 bytes, those up to observations [1073741824, 3] take more", ("observations",))
add("bomb_beside", lambda f: f.create_dataset("infos/huge", (2**30, 3), **huge))
add("bomb_of_links", many_paths, "a group must have at most 100 names")

# Beside the arrays.
add("committed_type", lambda f: [f.__setitem__("my_type", np.dtype("f8")), f.create_dataset("rewards", data=plain["rewards"], dtype=f["my_type"])], None, ("rewards",))
add("committed_type_latest", lambda f: [f.__setitem__("my_type", np.dtype("f8")), f.create_dataset("rewards", data=plain["rewards"], dtype=f["my_type"])], None, ("rewards",), libver="latest")
add("many_attributes", lambda f: [f["rewards"].attrs.__setitem__(f"note_{i}", "so that the header goes on elsewhere") for i in range(20)])
add("many_attributes_latest", lambda f: [f["rewards"].attrs.__setitem__(f"note_{i}", "so that they lie elsewhere") for i in range(20)], libver="latest")
add("many_links_latest", lambda f: [f.create_group(f"g_{i}") for i in range(30)], libver="latest")
for what, value in {
    "bool": True,
    "half": np.float16(1),
    "complex": 1 + 2j,
    "empty": h5py.Empty("f4"),
    "compound": np.array([(1, 2.0)], [("k", "i4"), ("v", "f8")]),
    "texts": ["a", "b"],
}.items():
    add(f"attribute_{what}", lambda f: f.attrs.__setitem__("note", value))
add("attribute_reference", lambda f: f.attrs.create("note", f["actions"].ref, dtype=h5py.ref_dtype))
add("infos", lambda f: [f.create_dataset("infos/half", data=np.zeros(n, "f2")), f.create_dataset("infos/image", data=np.zeros((n, 4, 4), "u1")), f.create_dataset("infos/text", data=["é"] * n, dtype=h5py.string_dtype())])
add("scales", lambda f: [f.create_dataset("axis", data=np.arange(n)), f["axis"].make_scale("row"), f["rewards"].dims[0].attach_scale(f["axis"])])
add("odd_names", lambda f: [f.create_dataset(k, data=[1]) for k in ("__proto__", "constructor", "größe", "a b", "<b>")])

here = Path(__file__).parent / "h5py_kinds.json"
text = json.dumps({"source": "h5py_kinds.py, h5py 3.16.0", "plain": {k: v.astype(int).tolist() for k, v in plain.items()}, "files": files}, indent=0)
here.write_text(text + "\n")
print(len(files), "files,", len(text), "characters")
