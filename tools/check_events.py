#!/usr/bin/env python3
"""Asks TensorBoard and TensorFlow what they make of what Evenkeel writes.

    python3 tools/check_events.py [BUILD]      (from the root of the tree; BUILD: build)

1. BUILD/write_events writes an event file; TensorBoard's event_accumulator and TensorFlow's summary_iterator read it, and
   every value is compared with what was to be written.
2. Summary operations in a graph of TensorFlow's, run by TensorFlow and by `evenkeel run`: images pixel by pixel, tensors,
   scalars and histograms byte by byte.

Exits 0 when all agree, 1 when not. Where TensorFlow, with its TensorBoard, is not installed it says so and leaves with 0.
"""
import glob
import os
import struct
import subprocess
import sys
import tempfile

from tensorflow1 import np, tf1 as tf
from tensorboard.backend.event_processing import event_accumulator

tf.disable_v2_behavior()
BUILD = sys.argv[1] if len(sys.argv) > 1 else "build"
checked = failed = 0


def expect(what, got, want):
    global checked, failed
    checked += 1
    same = np.array_equal(got, want) if isinstance(want, np.ndarray) else got == want
    if not same:
        failed += 1
        print(f"{what}: got {str(got)[:300]}, want {str(want)[:300]}")
        if isinstance(want, np.ndarray):
            print(f"    {np.sum(got != want)} of {want.size} differ, by {np.max(np.abs(got.astype(int) - want))} at most")


def f32(v):
    return struct.unpack("f", struct.pack("f", v))[0]


def wave(i):
    return ((i * 7919) % 1000 - 500) / 250


def numbers(step):
    return np.array([wave(i + step) * (1e-9 if i % 3 == 0 else 1e3) for i in range(1000)], np.float32)


def pixels(png):
    with tf.Session(graph=tf.Graph()) as s:
        return s.run(tf.image.decode_png(png))


def tf_summary(build):
    """The Summary that TensorFlow's op gives."""
    with tf.Graph().as_default(), tf.Session() as s:
        return tf.Summary.FromString(s.run(build()))


def check_histogram(name, h, x):
    want = tf_summary(lambda: tf.summary.histogram("x", x)).value[0].histo
    for field in ("min", "max", "num", "sum", "sum_squares"):
        got, exact = getattr(h, field), getattr(want, field)
        expect(f"{name} {field}", abs(got - exact) <= 1e-12 * max(abs(exact), 1), True)
    expect(f"{name} limits", list(h.bucket_limit), list(want.bucket_limit))
    expect(f"{name} buckets", list(h.bucket), list(want.bucket))


def images():
    colours = (np.arange(2 * 5 * 7 * 3) * 37 % 256).astype(np.uint8).reshape(2, 5, 7, 3)
    gray = np.array([wave(i) for i in range(35)], np.float32).reshape(1, 5, 7, 1)
    return {"colours": (colours, 3), "gray": (gray, 1)}


def check_images(images_of):
    for name, (array, most) in images().items():
        want = tf_summary(lambda: tf.summary.image(name, tf.constant(array), max_outputs=most))
        for v in want.value:
            got = images_of(v.tag)
            expect(f"{v.tag} size", (got.width, got.height), (v.image.width, v.image.height))
            expect(f"{v.tag} pixels", pixels(got.encoded_image_string), pixels(v.image.encoded_image_string))


def read_by_tensorboard(folder):
    a = event_accumulator.EventAccumulator(folder, {event_accumulator.IMAGES: 0, event_accumulator.SCALARS: 0,
                                                    event_accumulator.HISTOGRAMS: 0, event_accumulator.TENSORS: 0})
    a.Reload()
    expect("version", a.file_version, 2.0)
    expect("scalars", sorted(a.Tags()["scalars"]), ["graph/graph/fetched", "huge step", "loss", "rate/fast"])
    expect("histograms", a.Tags()["histograms"], ["numbers"])
    expect("images", sorted(a.Tags()["images"]), ["colours/image/0", "colours/image/1", "gray/image"])
    expect("tensors", sorted(a.Tags()["tensors"]), ["note", "said"])
    expect("graph", a.Tags()["graph"], True)
    expect("meta graph", a.Tags()["meta_graph"], True)
    expect("loss", [(e.step, e.value) for e in a.Scalars("loss")], [(i, f32(wave(i))) for i in range(50)])
    expect("rate", [(e.step, e.value) for e in a.Scalars("rate/fast")], [(i, f32(1 / (i + 1))) for i in range(50)])
    expect("fetched", [(e.step, e.value) for e in a.Scalars("graph/graph/fetched")], [(i, 2.5) for i in range(3)])
    expect("huge step", [(e.step, e.value) for e in a.Scalars("huge step")], [(1 << 40, 1.0)])
    for h in a.Histograms("numbers"):
        check_histogram(f"numbers at {h.step}", h.histogram_value, numbers(h.step))
    expect("text", [(e.step, e.tensor_proto.string_val[0]) for e in a.Tensors("note")],
           [(i, b"**step** %d" % i) for i in range(0, 50, 10)])
    expect("plugin", sorted(a.PluginTagToContent("text")), ["note", "said"])
    check_images(lambda tag: a.Images(tag)[0])
    nodes = [n.name for n in a.Graph().node]
    expect("nodes", "graph/fetched" in nodes and "Merge/MergeSummary" in nodes, True)
    expect("shapes", all("_output_shapes" in n.attr for n in a.Graph().node), True)
    expect("meta nodes", len(a.MetaGraph().graph_def.node), len(nodes))
    with tf.Graph().as_default():
        tf.import_graph_def(tf.GraphDef.FromString(a.Graph().SerializeToString()), name="")


def read_by_tensorflow(path):
    events = list(tf.train.summary_iterator(path))
    expect("first", events[0].file_version, "brain.Event:2")
    expect("kinds", [e.WhichOneof("what") for e in events[:4]], ["file_version", "graph_def", "meta_graph_def", "session_log"])
    logs = [e for e in events if e.HasField("session_log")]
    expect("session", [(e.step, e.session_log.status, e.session_log.checkpoint_path, e.session_log.msg) for e in logs],
           [(0, tf.SessionLog.START, "", ""), (49, tf.SessionLog.CHECKPOINT, "/tmp/model-49", "saved")])
    expect("time", all(a.wall_time <= b.wall_time for a, b in zip(events, events[1:])), True)


# ---- operations ------------------------------------------------------------------------------------------------------


def arrays():
    r = np.random.RandomState(7)
    bad = r.randn(2, 6, 5, 3).astype(np.float32)
    bad[0, 1, 2, 1] = np.nan
    bad[1, 3, 4, 0] = np.inf
    yield "float", r.rand(4, 9, 8, 3).astype(np.float32) * 3
    yield "signed", r.randn(3, 9, 8, 4).astype(np.float32) * 100
    yield "bad", bad
    yield "half", r.randn(2, 30, 31, 1).astype(np.float16)
    yield "positive_half", r.rand(2, 30, 31, 1).astype(np.float16) * 77
    yield "double", r.randn(2, 30, 31, 1)
    yield "bytes", r.randint(0, 256, (2, 17, 300, 3)).astype(np.uint8)
    yield "zero", np.zeros((1, 2, 2, 1), np.float32)
    yield "tiny", np.full((1, 2, 2, 1), 1e-7, np.float32)
    yield "none_finite", np.full((1, 2, 2, 3), np.nan, np.float32)


def run_both(folder, name, x, build):
    """The same graph by TensorFlow and by the command. The string must not end in a NUL, which .npy cannot keep."""
    with tf.Graph().as_default() as g, tf.Session() as s:
        p = tf.placeholder(x.dtype, x.shape, name="x")
        y = build(p)
        want = s.run(y, {p: x})
        with open(f"{folder}/graph.pb", "wb") as f:
            f.write(g.as_graph_def().SerializeToString())
    np.save(f"{folder}/x.npy", x)
    subprocess.run([f"{BUILD}/evenkeel", "run", f"{folder}/graph.pb", "--feed", f"x={folder}/x.npy", "--fetch",
                    f"{y.op.name}={folder}/y.npy"], check=True)
    return np.load(f"{folder}/y.npy").item(), want


def check_operations(folder):
    for name, x in arrays():
        got, want = run_both(folder, name, x, lambda p: tf.summary.image("a/b", p, max_outputs=3))
        got, want = tf.Summary.FromString(got), tf.Summary.FromString(want)
        expect(f"{name} tags", [v.tag for v in got.value], [v.tag for v in want.value])
        for a, b in zip(got.value, want.value):
            expect(f"{name} form", (a.image.height, a.image.width, a.image.colorspace),
                   (b.image.height, b.image.width, b.image.colorspace))
            expect(f"{name} {a.tag} pixels", pixels(a.image.encoded_image_string), pixels(b.image.encoded_image_string))
    for x in (np.float32(2), np.array([[1, 2], [3, 4]], np.int64), np.zeros((0, 3), np.float64)):
        got, want = run_both(folder, "tensor", x, lambda p: tf.summary.merge(
            [tf.summary.tensor_summary("t", p), tf.summary.scalar("last", 1.0)]))
        expect(f"tensor {x.dtype}", got, want)
    x = numbers(3)
    got, want = run_both(folder, "histogram", x, lambda p: tf.summary.merge(
        [tf.summary.histogram("h", p), tf.summary.scalar("last", 1.0)]))
    check_histogram("operation", tf.Summary.FromString(got).value[0].histo, x)
    got, want = run_both(folder, "scalar", np.float32(0.1), lambda p: tf.summary.scalar("s", p))
    expect("scalar", got, want)


def main():
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([f"{BUILD}/write_events", folder + "/run/train"], check=True)
        read_by_tensorboard(folder + "/run/train")
        read_by_tensorflow(glob.glob(folder + "/run/train/events.out.tfevents.*.check")[0])
        check_operations(folder)
    print(f"{checked} values compared, {failed} differ (TensorFlow {tf.__version__})")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
