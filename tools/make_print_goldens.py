#!/usr/bin/env python3
"""Writes tests/values/golden/print.txt: arrays, and what numpy 1.26 prints for them.

    python3 tools/make_print_goldens.py > tests/values/golden/print.txt

Needs numpy 1.26 and ml_dtypes (bfloat16). Each case is

    = DTYPE DIM ... : DATA       DATA: bytes in hex, elements of strings split by commas, or "arange"
    s LINES                      and so many lines of str(), then r LINES and those of repr().
"""
import sys

import ml_dtypes
import numpy as np

assert np.__version__.startswith("1.26."), np.__version__
rng = np.random.RandomState(20240517)

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
TYPES = {name: np.dtype(name) for name in (
    "float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool complex64 complex128").split()}
TYPES["bfloat16"] = BFLOAT16
TYPES["qint8"] = np.dtype([("qint8", np.int8)])
TYPES["quint8"] = np.dtype([("quint8", np.uint8)])
TYPES["qint16"] = np.dtype([("qint16", np.int16)])
TYPES["quint16"] = np.dtype([("quint16", np.uint16)])
TYPES["qint32"] = np.dtype([("qint32", np.int32)])
FLOATS = ["float16", "float32", "float64"]
INTS = "int8 int16 int32 int64 uint8 uint16 uint32 uint64".split()
QUANTIZED = "qint8 quint8 qint16 quint16 qint32".split()


def emit(name, array, data=None):
    if data is None:
        if name == "string":
            data = ",".join(x.hex() for x in array.ravel())
        else:
            data = np.ascontiguousarray(array).tobytes().hex()
    print("=", name, *array.shape, ":", data)
    for letter, text in (("s", str(array)), ("r", repr(array))):
        lines = text.split("\n")
        print(letter, len(lines))
        print(text)


def shapes():
    return [(), (1,), (2,), (3, 1), (7,), (2, 3), (13,), (2, 2, 3), (1, 1, 1, 2), (4, 9), (25,), (2, 1, 3, 2)]


def floats(name, shape, kind):
    n = int(np.prod(shape))
    if kind == 0:
        v = rng.standard_normal(n)
    elif kind == 1:
        v = rng.standard_normal(n) * 10.0 ** rng.randint(-3, 4)
    elif kind == 2:
        v = rng.standard_normal(n) * 10.0 ** rng.randint(-12, 12, n)
    elif kind == 3:
        v = rng.randint(-1000, 1000, n).astype(float)
    elif kind == 4:
        v = np.round(rng.standard_normal(n), 2)
    elif kind == 5:
        v = rng.choice([0.0, -0.0, 1.0, -2.5, np.nan, np.inf, -np.inf, 1e-5, 0.125], n)
    elif kind == 6:
        v = 2.0 ** rng.randint(-24, 30, n)
    elif kind == 7:
        v = rng.choice([np.nan, np.inf, 3.0], n)
    elif kind == 8:
        v = rng.uniform(1e-4, 2e-4, n)
    elif kind == 9:
        v = rng.uniform(9e7, 1.1e8, n)
    elif kind == 10:
        v = 10.0 ** rng.randint(-5, 9, n)
    elif kind == 11:
        v = 1 + rng.randint(0, 3, n) * 2.0 ** -rng.randint(8, 30, n)
    elif kind == 12:
        bits = rng.randint(0, 256, (n, TYPES[name].itemsize)).astype(np.uint8)
        return bits.reshape(-1).view(TYPES[name]).reshape(shape)
    with np.errstate(all="ignore"):
        return v.reshape(shape).astype(TYPES[name])


def main():
    for name in FLOATS:
        for shape in shapes():
            for kind in range(13):
                emit(name, floats(name, shape, kind))
        for text in ("0.0001", "0.001", "1e16", "9999999e9", "1e-45", "5e-324", "0.3", "65504", "16777216", "1e8",
                     "99999992", "123456789", "6e-8", "1e22", "1e23", "nan", "-inf", "-0.0", "9007199254740993"):
            with np.errstate(all="ignore"):
                emit(name, np.array(float(text)).astype(name))
                emit(name, np.array([float(text), 1.0]).astype(name))
    for name in ("complex64", "complex128"):
        part = "float32" if name == "complex64" else "float64"
        for shape in shapes():
            for kind in (0, 1, 2, 3, 4, 5, 7, 10):
                c = np.zeros(shape, name)
                c.real, c.imag = floats(part, shape, kind), floats(part, shape, kind)
                emit(name, c)
        for c in (0j, 1j, -1j, complex(-0.0, 1), 1 + 0j, complex(float("nan"), 2), complex(0, float("inf")),
                  complex(1, float("-inf")), complex(0, float("nan")), 1e20 + 1e-20j, complex(2, -0.0), 0.5j):
            emit(name, np.array(c, name))
    for name in INTS:
        info = np.iinfo(name)
        for shape in shapes():
            emit(name, rng.randint(info.min, info.max, shape, dtype=name) if shape else np.array(info.max, name))
            emit(name, rng.randint(0, 12, shape).astype(name))
        emit(name, np.array([info.min, info.max], name))
    for name in QUANTIZED:
        base = TYPES[name][0]
        for shape in shapes():
            emit(name, np.asarray(rng.randint(0, 120, shape)).astype(base).view(TYPES[name]))
    for shape in shapes():
        emit("bool", np.asarray(rng.randint(0, 2, shape)).astype(bool))
        for kind in (0, 2, 3, 4, 10):
            emit("bfloat16", floats("bfloat16", shape, kind))
        words = [b"", b"a", b"it's", b'say "x"', b"both ' and \"", b"\x00\xff\n\t\\", b"tensor/name:0", b"caf\xc3\xa9"]
        picked = np.empty(shape, object)
        for i in np.ndindex(*shape):
            picked[i] = words[rng.randint(len(words))]
        emit("string", picked)
    for name in list(TYPES) + ["string"]:
        for shape in ((0,), (0, 3), (2, 0), (1, 0, 2)):
            emit(name, np.zeros(shape, object if name == "string" else TYPES[name]))
    for name, shape in (("float32", (1001,)), ("int32", (1001,)), ("int64", (2, 600)), ("float64", (10, 10, 11)),
                        ("int16", (7, 200)), ("uint8", (40, 5, 6)), ("float32", (6, 1, 250)), ("float64", (1000,)),
                        ("complex64", (1500,)), ("float16", (5, 5, 5, 9)), ("bool", (2000,)), ("int64", (100000,)),
                        ("float32", (100, 100)), ("int32", (3, 4, 100)), ("float64", (3, 3, 3, 40))):
        n = int(np.prod(shape))
        with np.errstate(all="ignore"):
            emit(name, np.arange(n).astype(TYPES[name]).reshape(shape), "arange")


sys.stdout.reconfigure(newline="\n")
main()
