#!/usr/bin/env python3
"""Asks TensorFlow what it makes of the SavedModels, checkpoints and frozen graphs that Evenkeel writes.

    tools/check_saved_models.py [--build build] [--data ../shared/data] [--steps 10] [--report docs/saved_models_check.md]

Needs the data folder. All is written by the command (build/evenkeel convert, freeze), from TensorFlow's own files. Then

- SavedModels of TensorFlow and what they became here, binary and text, are loaded by tf.compat.v1.saved_model.loader and by
  tf.saved_model.load: the same signatures, assets that are found, and outputs of every signature equal bit for bit;
- MetaGraphs that train (data/trajectories), with their initial values, become SavedModels; TensorFlow loads them and trains on:
  the losses are, bit for bit, those that it gets from its own MetaGraph with these values;
- a frozen graph gives the outputs of TensorFlow's own frozen graph.

Where TensorFlow or the data folder is not there it says so and leaves with 0.
"""
import argparse
import os
import subprocess
import sys
import tempfile

from tensorflow1 import batch, graph_def, initial_values, np, session, tf, tf1

MODELS = [("tf-files/saved-model-v1", ["serve"]), ("saved-models/half_plus_two", ["serve"]),
          ("saved-models/rust_regression", ["train", "serve"])]
rows = []


def evenkeel(args, *words):
    out = subprocess.run([os.path.join(args.build, "evenkeel"), *words], capture_output=True, text=True)
    if out.returncode != 0:
        sys.exit("evenkeel %s: %s" % (" ".join(words), out.stderr))


def feed_for(name, info, rng):
    if "example" in name:
        return None
    dims = [4 if d.size < 0 else d.size for d in info.tensor_shape.dim]
    return rng.standard_normal(dims or [4]).astype(tf.as_dtype(info.dtype).as_numpy_dtype)


def answers(path, tags):
    """Outputs of every signature that takes numbers, by the v1 loader."""
    found = {}
    with session(tf1.Graph()) as s, s.graph.as_default():
        meta = tf1.saved_model.loader.load(s, tags, path)
        for key, sig in sorted(meta.signature_def.items()):
            rng = np.random.default_rng(7)
            feeds = {i.name: feed_for(i.name, i, rng) for _, i in sorted(sig.inputs.items())}
            if any(v is None for v in feeds.values()):
                found[key] = "takes tf.Examples"
                continue
            for name, info in sorted(sig.outputs.items()):
                found[key, name] = s.run(info.name, feeds)
    return found


def answers_v2(path, tags):
    """The same by tf.saved_model.load."""
    found = {}
    model = tf.saved_model.load(path, tags=tags)
    for key, f in sorted(model.signatures.items()):
        rng = np.random.default_rng(7)
        inputs = f.structured_input_signature[1]
        feeds = {}
        for name, spec in sorted(inputs.items()):
            if spec.dtype == tf.string:
                feeds = None
                break
            dims = [4 if d is None else d for d in (spec.shape if spec.shape.rank is not None else [4])]
            feeds[name] = tf.constant(rng.standard_normal(dims or [4]).astype(spec.dtype.as_numpy_dtype))
        if feeds is None:
            continue
        for name, value in sorted(f(**feeds).items()):
            found[key, name] = value.numpy()
    return found


def same(a, b):
    if a.keys() != b.keys():
        return False
    return all(isinstance(a[k], str) or (a[k].dtype == b[k].dtype and a[k].tobytes() == b[k].tobytes() or
                                         (a[k].dtype == object and (a[k] == b[k]).all())) for k in a)


def report(name, what, ok):
    rows.append((name, what, ok))
    print("%s  %s: %s" % ("ok    " if ok else "FAILED", name, what), flush=True)


def check_models(args, folder):
    for path, tags in MODELS:
        source = os.path.join(args.data, path)
        want, want_v2 = answers(source, tags), answers_v2(source, tags)
        for text in ("", "--text"):
            out = os.path.join(folder, "model%d" % len(rows))
            evenkeel(args, "convert", source, out, "--to", "saved-model", *([text] if text else []))
            written = ["serve"]
            report(path, "loader.load, %s" % ("text" if text else "binary"), same(want, answers(out, written)))
            report(path, "tf.saved_model.load, %s" % ("text" if text else "binary"), same(want_v2, answers_v2(out, written)))


def train(s, folder, steps):
    g = s.graph
    fetch = [g.get_collection("golden_loss")[0], g.get_collection("golden_train_op")[0]] + g.get_collection("golden_second_op")
    inputs = g.get_collection("golden_inputs")
    return np.array([s.run(fetch, {t: batch(folder, t.op.name, k) for t in inputs})[0] for k in range(steps)])


def check_training(args, folder):
    root = os.path.join(args.data, "trajectories")
    for name in sorted(os.listdir(root)):
        case = os.path.join(root, name)
        if not os.path.exists(os.path.join(case, "meta.pb")):
            continue
        ckpt, out = os.path.join(folder, name + ".values"), os.path.join(folder, name)
        evenkeel(args, "convert", os.path.join(case, "initial.pb"), ckpt)
        evenkeel(args, "convert", os.path.join(case, "meta.pb"), out, "--to", "saved-model", "--checkpoint", ckpt)
        with session(tf1.Graph()) as s, s.graph.as_default():
            tf1.train.import_meta_graph(os.path.join(case, "meta.pb"))
            values = initial_values(case)
            for v in tf1.global_variables():
                v.load(values[v.op.name], s)
            want = train(s, case, args.steps)
        with session(tf1.Graph()) as s, s.graph.as_default():
            tf1.saved_model.loader.load(s, ["serve"], out)
            found = train(s, case, args.steps)
        report("trajectories/" + name, "trains on from our SavedModel, %d steps, losses bit for bit" % args.steps,
               want.tobytes() == found.tobytes() and bool(np.isfinite(found).all()))


def run_frozen(path, x):
    with session(tf1.Graph()) as s, s.graph.as_default():
        tf1.import_graph_def(graph_def(path), name="")
        return s.run("probabilities:0", {"x:0": x})


def check_frozen(args, folder):
    case = os.path.join(args.data, "tf-files/frozen-with-original")
    x = np.load(os.path.join(case, "x.npy"))
    want = run_frozen(os.path.join(case, "frozen.pb"), x)
    for source in ("model.meta", "original.pb"):
        out = os.path.join(folder, source + ".frozen")
        evenkeel(args, "freeze", os.path.join(case, source), "--checkpoint", os.path.join(case, "model"), "--fetch", "probabilities",
                 "--output", out)
        report("tf-files/frozen-with-original", "frozen from %s, outputs bit for bit" % source,
               want.tobytes() == run_frozen(out, x).tobytes())


def write_report(path, version):
    with open(path, "w") as f:
        f.write("# SavedModels and frozen graphs in TensorFlow\n\nWhat `tools/check_saved_models.py` found: files written by "
                "`evenkeel convert` and `evenkeel freeze`, loaded by TensorFlow %s on one thread.\n\n| source | what | |\n|---|---|---|\n"
                % version)
        for name, what, ok in rows:
            f.write("| `%s` | %s | %s |\n" % (name, what, "same" if ok else "**differs**"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--data", default="../shared/data")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--report")
    args = parser.parse_args()
    if not os.path.isdir(os.path.join(args.data, "tf-files")):
        print("skipped: there is no data folder %s" % args.data)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        check_models(args, folder)
        check_frozen(args, folder)
        check_training(args, folder)
    if args.report:
        write_report(args.report, tf.__version__)
    return 0 if all(ok for _, _, ok in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
