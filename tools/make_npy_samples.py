#!/usr/bin/env python3
"""Writes fuzz/corpus/npy/*.npy, small files of every kind, and tests/codec/golden/npy.txt: what they hold.

    python3 tools/make_npy_samples.py        (from the root of the tree; numpy 1.26 and ml_dtypes)

A line of npy.txt is a file's name, a tab, and repr() of the array with newlines as \\n.
"""
import io
import os

import ml_dtypes
import numpy as np

CORPUS = "fuzz/corpus/npy"
lines = []


def save(name, array, version=None, expect=None):
    f = io.BytesIO()
    np.lib.format.write_array(f, array, version=version, allow_pickle=True)
    with open(os.path.join(CORPUS, name + ".npy"), "wb") as out:
        out.write(f.getvalue())
    if expect is None:
        expect = array.astype(array.dtype.newbyteorder("="))
    lines.append(name + "\t" + (expect if isinstance(expect, str) else repr(expect)).replace("\n", "\\n"))


def as_bytes(array):
    out = np.empty(array.shape, object)
    for i in np.ndindex(*array.shape):
        out[i] = array[i].encode() if isinstance(array[i], str) else bytes(array[i])
    return out


def main():
    os.makedirs(CORPUS, exist_ok=True)
    os.makedirs("tests/codec/golden", exist_ok=True)
    for name in "f2 f4 f8 i1 i2 i4 i8 u1 u2 u4 u8 c8 c16".split():
        a = np.array([[1, 2, 3], [100, 5, 6]]).astype(name)
        for order, letter in (("<", "le"), (">", "be")):
            save(f"{name}_{letter}", a.astype(order + name))
            save(f"{name}_{letter}_fortran", np.asfortranarray(a.astype(order + name)))
    save("bool", np.array([True, False, True]))
    save("scalar", np.array(2.5))
    save("empty", np.zeros((0, 3), np.float32))
    save("version2", np.arange(4, dtype=np.float32), (2, 0))
    save("version3", np.arange(4, dtype=np.float32), (3, 0))
    save("deep", np.asfortranarray(np.arange(24, dtype=np.int16).reshape(2, 3, 4)))
    save("long", np.arange(3, dtype=np.int64).reshape(1, 1, 1, 1, 1, 3))
    bf = np.array([1, -2.5, 3e10, 0.1]).astype(ml_dtypes.bfloat16)
    save("bfloat16", bf, expect=bf)
    save("qint8", np.array([(1,), (-2,)], [("qint8", "i1")]))
    save("quint16", np.array([(1,), (65535,)], [("quint16", "<u2")]))
    s = np.array([[b"ab", b""], [b"c\x00d", b"it's"]])
    save("bytes", s, expect=as_bytes(s))
    save("bytes_fortran", np.asfortranarray(s), expect=as_bytes(s))
    u = np.array(["a", "caf\u00e9", "\u4e2d", "\U0001f600", ""])
    save("unicode", u, expect=as_bytes(u))
    save("unicode_be", u.astype(">U4"), expect=as_bytes(u))
    save("pickled", np.array([{}, 1], object), expect="!pickled")
    save("structured", np.zeros(2, [("a", "<f4"), ("b", "<i4")]), expect="!structured")
    save("longdouble", np.zeros(2, np.longdouble), expect="!'<f16'")
    save("datetime", np.zeros(2, "M8[s]"), expect="!'<M8[s]'")
    save("void3", np.zeros(2, "V3"), expect="!'|V3'")
    with open("tests/codec/golden/npy.txt", "w", encoding="ascii") as f:
        f.write("".join(sorted(line + "\n" for line in lines)))


main()
