#!/usr/bin/env python3
"""Asks TensorFlow whether it computes the same from graphs that Evenkeel built and saved.

    tools/check_export.py [--build build] [--report docs/export_check.md]

Runs build/export_cases, loads each saved graph (binary and text must be the same graph) into TensorFlow 2.15's version 1
interface, makes the same runs and compares every fetched value and variable. Where TensorFlow is not installed it says so and
leaves with 0. With --report the result is written as a page of the documentation.
"""
import argparse
import os
import subprocess
import sys
import tempfile

from tensorflow1 import constants, np, tf, tf1
from google.protobuf import text_format


def tolerance(want):
    """Absolute, by dtype and size of the values; None: exact."""
    if want.dtype.kind not in "fcV" and want.dtype.name != "bfloat16":
        return None
    finite = np.abs(want.astype(np.complex128 if want.dtype.kind == "c" else np.float64))
    finite = finite[np.isfinite(finite)]
    largest = finite.max() if finite.size else 0.0
    per_type = {"float64": 1e-12, "complex128": 1e-12, "float16": 4e-3, "bfloat16": 4e-2}
    return per_type.get(want.dtype.name, 2e-5) * max(largest, 0.05)


def difference(got, want):
    """The largest difference, and whether it is allowed."""
    if got.dtype != want.dtype or got.shape != want.shape:
        return float("inf"), False
    limit = tolerance(want)
    if limit is None:
        return 0.0, bool(np.array_equal(got, want))
    wide = np.complex128 if want.dtype.kind == "c" else np.float64
    got, want = got.astype(wide), want.astype(wide)
    off = np.atleast_1d(np.abs(got - want))
    off[np.atleast_1d((np.isnan(got) & np.isnan(want)) | (got == want))] = 0.0
    largest = float(off.max()) if off.size else 0.0
    return largest, largest <= limit


def same_graph(folder):
    binary, text = tf1.GraphDef(), tf1.GraphDef()
    with open(os.path.join(folder, "graph.pb"), "rb") as f:
        binary.ParseFromString(f.read())
    with open(os.path.join(folder, "graph.pbtxt")) as f:
        text_format.Parse(f.read(), text)
    return binary, binary == text


def read_name(graph, variable):
    name = variable + "/Read/ReadVariableOp"
    try:
        graph.get_operation_by_name(name)
        return name + ":0"
    except KeyError:
        return variable + ":0"


def check_case(folder):
    """(values compared, largest difference, faults)."""
    faults = []
    graph_def, same = same_graph(folder)
    if not same:
        faults.append("graph.pbtxt is another graph than graph.pb")
    values = constants(os.path.join(folder, "values.pb"))
    compared, largest = 0, 0.0
    with tf.Graph().as_default() as graph, tf1.Session(graph=graph) as session:
        tf1.import_graph_def(graph_def, name="")
        session.run(graph.get_operation_by_name(values["init"][0].decode()))
        step = 1
        while "step%d/run" % step in values:
            prefix = "step%d/" % step
            feed = {k[len(prefix + "feed/"):] + ":0": v for k, v in values.items() if k.startswith(prefix + "feed/")}
            names = [s.decode() for s in values[prefix + "run"]]
            wanted = [(prefix + n.replace(":", "_"), v) for n, v in zip(names, session.run(names, feed))]
            variables = [k for k in values if k.startswith(prefix + "var/")]
            reads = session.run([read_name(graph, k[len(prefix + "var/"):]) for k in variables])
            for node, got in wanted + list(zip(variables, reads)):
                off, good = difference(np.asarray(got), values[node])
                compared += 1
                largest = max(largest, off)
                if not good:
                    faults.append("%s differs by %g" % (node, off))
            step += 1
    return compared, largest, faults


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--report")
    options = parser.parse_args()
    lines, failed = [], 0
    with tempfile.TemporaryDirectory() as out:
        subprocess.run([os.path.join(options.build, "export_cases"), out], check=True, stdout=subprocess.DEVNULL)
        for name in sorted(os.listdir(out)):
            compared, largest, faults = check_case(os.path.join(out, name))
            failed += bool(faults)
            lines.append((name, compared, largest, faults))
            print("%s %s: %d values, largest difference %.1e" % ("FAILED" if faults else "passed", name, compared, largest))
            for fault in faults[:5]:
                print("    " + fault)
    print("%d passed, %d failed" % (len(lines) - failed, failed))
    if options.report:
        write_report(options.report, tf.__version__, lines, failed)
    return 1 if failed else 0


def write_report(path, version, lines, failed):
    with open(path, "w") as f:
        f.write("# Exported graphs in TensorFlow\n\n")
        f.write("Written by `tools/check_export.py`, which builds graphs with this library, saves them as GraphDefs in binary and in\n"
                "text form, loads them into TensorFlow %s (plain kernels, no oneDNN), makes the same runs there and compares every\n"
                "fetched tensor and every variable after each of three steps. Allowed: 2e-5 of a tensor's largest value in float32,\n"
                "1e-12 in float64; integers, bools and strings exact.\n\n" % version)
        f.write("| case | values compared | largest difference | |\n|---|---|---|---|\n")
        for name, compared, largest, faults in lines:
            f.write("| %s | %d | %.1e | %s |\n" % (name, compared, largest, "; ".join(faults[:3]) if faults else "same"))
        f.write("\n%d passed, %d failed.\n" % (len(lines) - failed, failed))


if __name__ == "__main__":
    sys.exit(main())
