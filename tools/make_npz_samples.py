#!/usr/bin/env python3
"""Writes fuzz/corpus/npz/*.npz and fuzz/corpus/idx/*: small archives as numpy and zipfile write them, and small IDX files.

    python3 tools/make_npz_samples.py        (from the root of the tree; numpy)

tests/codec/npz_test.c and idx_test.c know what is in them.
"""
import gzip
import io
import os
import struct
import zipfile

import numpy as np

ARRAYS = {
    "a": np.arange(6, dtype=np.float32).reshape(2, 3),
    "b/c": np.array([1, -2, 3], dtype=np.int64),
    "text": np.array([b"x", b"yz"]),
    "zeros": np.zeros((40, 50), dtype=np.uint8),
}


class Stream(io.RawIOBase):
    """Cannot seek: zipfile then writes sizes behind the members."""

    def __init__(self):
        self.data = b""

    def writable(self):
        return True

    def write(self, b):
        self.data += bytes(b)
        return len(b)


def write(folder, name, data):
    os.makedirs("fuzz/corpus/" + folder, exist_ok=True)
    with open(f"fuzz/corpus/{folder}/{name}", "wb") as f:
        f.write(data)


def savez(save, target):
    save(target, **ARRAYS)
    return target


def npz():
    write("npz", "stored.npz", savez(np.savez, io.BytesIO()).getvalue())
    write("npz", "deflated.npz", savez(np.savez_compressed, io.BytesIO()).getvalue())
    stream = Stream()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as z:
        for name, a in ARRAYS.items():
            f = io.BytesIO()
            np.lib.format.write_array(f, a)
            with z.open(name + ".npy", "w", force_zip64=name == "a") as member:
                member.write(f.getvalue())
        z.writestr("notes.txt", "no array")
        z.comment = b"a comment"
    write("npz", "stream.npz", stream.data)
    empty = io.BytesIO()
    np.savez(empty)
    write("npz", "empty.npz", empty.getvalue())


def idx():
    for code, name in ((8, "u1"), (9, "i1"), (11, "i2"), (12, "i4"), (13, "f4"), (14, "f8")):
        a = np.array([[1, 2, 3], [100, 5, 6]]).astype(">" + name)
        write("idx", name, struct.pack(">BBBBII", 0, 0, code, 2, 2, 3) + a.tobytes())
    labels = struct.pack(">BBBBI", 0, 0, 8, 1, 5) + bytes([7, 2, 1, 0, 4])
    write("idx", "labels.gz", gzip.compress(labels, mtime=0))
    write("idx", "two_members.gz", gzip.compress(labels[:9], mtime=0) + gzip.compress(labels[9:], mtime=0))
    write("idx", "scalar", bytes([0, 0, 8, 0, 9]))
    write("idx", "empty", struct.pack(">BBBBII", 0, 0, 13, 2, 0, 3))


if __name__ == "__main__":
    npz()
    idx()
