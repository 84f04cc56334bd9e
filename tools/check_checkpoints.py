#!/usr/bin/env python3
"""Goes on in TensorFlow where Evenkeel stopped, and in Evenkeel where TensorFlow stopped.

    tools/check_checkpoints.py [--build build] [--data ../shared/data] [--steps 20] [--more 10] [--report docs/checkpoints_check.md]

For each program of data/trajectories:

- Evenkeel trains it and saves it with a saver of its own (build/checkpoints); TensorFlow imports the .meta, restores the
  checkpoint, slots included, and goes on;
- TensorFlow trains it and saves it; Evenkeel imports that .meta, restores that checkpoint and goes on.

The losses after the checkpoint must agree within the tolerance of data/trajectories/tolerances.tsv, and TensorFlow must read of a
checkpoint of Evenkeel's exactly the variables that its own has, each with the dtype and shape that the graph says. Where TensorFlow or
the data folder is not there it says so and leaves with 0.
"""
import argparse
import csv
import os
import subprocess
import sys
import tempfile

from tensorflow1 import batch, initial_values, np, session, tf, tf1
from tensorflow.core.protobuf import meta_graph_pb2

tf1.disable_v2_behavior()


def steps(sess, folder, first, count):
    """Losses of steps first, first + 1, ...: of the graph that is the default one."""
    inputs, second, losses = tf1.get_collection("golden_inputs"), tf1.get_collection("golden_second_op"), []
    fetch = [tf1.get_collection("golden_loss")[0], tf1.get_collection("golden_train_op")[0]]
    for step in range(first, first + count):
        feed = {t: batch(folder, t.op.name, step) for t in inputs}
        losses.append(sess.run(fetch, feed)[0])
        if second:
            sess.run(second, feed)
    return np.asarray(losses)


def save(folder, prefix, count):
    with tf.Graph().as_default() as graph, session(graph, optimize=False) as sess:
        meta = meta_graph_pb2.MetaGraphDef()
        with open(os.path.join(folder, "meta.pb"), "rb") as f:
            meta.ParseFromString(f.read())
        saver = tf1.train.import_meta_graph(meta)
        variables = {v.op.name: v for v in tf1.global_variables()}
        for name, value in initial_values(folder).items():
            variables[name].load(value, sess)
        steps(sess, folder, 0, count)
        saver.save(sess, prefix)


def go_on(folder, prefix, first, count):
    with tf.Graph().as_default() as graph, session(graph, optimize=False) as sess:
        saver = tf1.train.import_meta_graph(prefix + ".meta")
        saver.restore(sess, prefix)
        return steps(sess, folder, first, count)


def entries(prefix):
    reader = tf.train.load_checkpoint(prefix)
    return {k: (str(reader.get_variable_to_dtype_map()[k]), v) for k, v in reader.get_variable_to_shape_map().items()}


def tolerances(data):
    with open(os.path.join(data, "trajectories/tolerances.tsv")) as f:
        return {row["case"]: float(row["tol loss 1..100"]) for row in csv.DictReader(f, delimiter="\t")}


def apart(a, b):
    """Largest difference of two rows of losses, relative; losses below 0.01 count as 0.01."""
    return float(np.max(np.abs(a - b) / np.maximum(np.abs(a), 0.01))) if a.shape == b.shape else float("inf")


def check(options, folder, out):
    """Variables in the checkpoint; how far apart the losses are that follow it, each way."""
    ours, theirs, losses = os.path.join(out, "ours"), os.path.join(out, "theirs"), os.path.join(out, "losses.npy")
    count, more = str(options.steps), str(options.more)
    program = os.path.join(options.build, "checkpoints")
    subprocess.run([program, "save", folder, ours, count, more, losses], check=True)
    there = apart(np.load(losses), go_on(folder, ours, options.steps, options.more))
    save(folder, theirs, options.steps)
    subprocess.run([program, "restore", folder, theirs, count, more, losses], check=True)
    back = apart(go_on(folder, theirs, options.steps, options.more), np.load(losses))
    same = entries(ours) == entries(theirs)
    return len(entries(ours)), there, back, same


HEAD = """# Checkpoints between Evenkeel and TensorFlow

Written by `tools/check_checkpoints.py`. Each program of the trajectories was trained for %d steps, saved with its MetaGraph, and
trained on for %d steps by the other: imported, restored, slots included, nothing initialized. TensorFlow %s, plain kernels. The
columns say how far the losses that follow are from those of whoever saved it, who went on from the same files (relative, the largest
of all steps); allowed is what the trajectories' own table says.

| program | variables | Evenkeel's, continued by TensorFlow | TensorFlow's, continued by Evenkeel | allowed | |
|---|---|---|---|---|---|
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--data", default=os.environ.get("EK_DATA", "../shared/data"))
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--more", type=int, default=10)
    parser.add_argument("--report")
    options = parser.parse_args()
    root = os.path.join(options.data, "trajectories")
    if not os.path.isdir(root):
        print("skipped: there is no data folder '%s' (--data, or EK_DATA)" % options.data)
        return 0
    allowed, rows, failed = tolerances(options.data), [], 0
    for case in sorted(os.listdir(root)):
        folder = os.path.join(root, case)
        if not os.path.exists(os.path.join(folder, "meta.pb")):
            continue
        with tempfile.TemporaryDirectory() as out:
            count, there, back, same = check(options, folder, out)
        fine = same and max(there, back) <= allowed[case]
        failed += not fine
        rows.append("| %s | %d | %.1e | %.1e | %.0e | %s |" % (case, count, there, back, allowed[case], "same" if fine else "**differs**"))
        print(rows[-1], flush=True)
    end = "%d passed, %d failed." % (len(rows) - failed, failed)
    print(end)
    if options.report:
        with open(options.report, "w") as f:
            f.write(HEAD % (options.steps, options.more, tf.__version__) + "\n".join(rows) + "\n\n" + end + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
