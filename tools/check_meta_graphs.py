#!/usr/bin/env python3
"""Asks TensorFlow what it makes of the MetaGraphs that Evenkeel writes.

    tools/check_meta_graphs.py [--build build] [--data ../shared/data] [--steps 10]

Needs the data folder: TensorFlow's own MetaGraphs. Each is read and written by build/meta_graphs, then

- imported by tf.compat.v1.train.import_meta_graph and exported again, it must say what TensorFlow's own file says after the
  same way, collections, variables and control-flow contexts included; so must a file in text form, and one that was read under
  a scope, against import_meta_graph(.., import_scope=..);
- graphs that train (data/trajectories) must give bit for bit the losses and final variables that TensorFlow's own file gives, and their
  Saver must save and restore;
- programs that are built in C must be, for TensorFlow, the graphs of TensorFlow 1.15 (data/tf115-graphs); gradients that TensorFlow
  adds to them, through their conds, must be the same nodes.

Where TensorFlow or the data folder is not there it says so and leaves with 0.
"""
import argparse
import os
import subprocess
import sys
import tempfile

from tensorflow1 import batch, initial_values, np, session, tf, tf1
from google.protobuf import text_format
from tensorflow.core.framework import variable_pb2
from tensorflow.core.protobuf import control_flow_pb2, meta_graph_pb2, saver_pb2

tf1.disable_v2_behavior()

VARIABLES = ("variables", "trainable_variables", "local_variables", "model_variables", "metric_variables",
             "moving_average_variables", "global_step")
MESSAGES = dict({key: variable_pb2.VariableDef for key in VARIABLES}, cond_context=control_flow_pb2.CondContextDef,
                while_context=control_flow_pb2.WhileContextDef, savers=saver_pb2.SaverDef)


def read(path):
    meta = meta_graph_pb2.MetaGraphDef()
    with open(path, "rb") as f:
        data = f.read()
    if path.endswith(".pbtxt"):
        text_format.Parse(data.decode(), meta)
    else:
        meta.ParseFromString(data)
    return meta


def sort_values(context):
    """The order of what belongs to a context means nothing."""
    values = sorted(context.values_def.values)
    del context.values_def.values[:]
    context.values_def.values.extend(values)
    for nested in context.nested_contexts:
        sort_values(nested.cond_ctxt if nested.HasField("cond_ctxt") else nested.while_ctxt)


def collections_of(meta):
    out = {}
    for key, collection in meta.collection_def.items():
        kind = collection.WhichOneof("kind")
        items = list(getattr(collection, kind).value) if kind else []
        if kind == "bytes_list" and key in MESSAGES:
            items = [MESSAGES[key].FromString(item) for item in items]
            for item in items:
                if key in ("cond_context", "while_context"):
                    sort_values(item)
        out[key] = (kind, items)
    return out


def difference(want, got):
    """What two MetaGraphs that TensorFlow exported differ in; None: nothing."""
    a, b = {n.name: n for n in want.graph_def.node}, {n.name: n for n in got.graph_def.node}
    if [n.name for n in want.graph_def.node] != [n.name for n in got.graph_def.node]:
        return "other nodes: %s" % sorted(set(a) ^ set(b))[:5]
    for name in a:
        if a[name] != b[name]:
            return "node %s:\n%s\n%s" % (name, a[name], b[name])
    x, y = collections_of(want), collections_of(got)
    for key in sorted(set(x) | set(y)):
        if x.get(key) != y.get(key):
            return "collection %s:\n%s\n%s" % (key, str(x.get(key))[:1500], str(y.get(key))[:1500])
    if want.saver_def != got.saver_def:
        return "saver_def:\n%s\n%s" % (want.saver_def, got.saver_def)
    return None


def through_tensorflow(path, scope=None, then=None):
    """Imported, changed by `then`, and exported again."""
    with tf.Graph().as_default() as graph:
        saver = tf1.train.import_meta_graph(read(path), import_scope=scope)
        if then:
            then(graph)
        return tf1.train.export_meta_graph(saver_def=saver.saver_def if saver and saver.saver_def else None)


def convert(build, source, target, *scope):
    subprocess.run([os.path.join(build, "meta_graphs"), source, target, *scope], check=True)


def check_file(build, path, out):
    faults = []
    for ending, scope in ((".meta", None), (".pbtxt", None), (".meta", "some/scope")):
        ours = os.path.join(out, "ours" + ending)
        convert(build, path, ours, *([scope] if scope else []))
        what = difference(through_tensorflow(path, scope), through_tensorflow(ours))
        if what:
            faults.append("%s%s: %s" % (ending, " under a scope" if scope else "", what))
    return faults


def train(folder, path, steps, out):
    """Losses and what the variables are at the end, after a save and a restore."""
    with tf.Graph().as_default() as graph, session(graph) as s:
        saver = tf1.train.import_meta_graph(read(path))
        variables = tf1.global_variables()
        for name, value in initial_values(folder).items():
            next(v for v in variables if v.op.name == name).load(value, s)
        inputs, losses = tf1.get_collection("golden_inputs"), []
        fetch = [tf1.get_collection("golden_loss")[0], tf1.get_collection("golden_train_op")[0]] + tf1.get_collection("golden_second_op")
        for step in range(steps):
            feed = {t: batch(folder, t.op.name, step) for t in inputs}
            losses.append(s.run(fetch, feed)[0])
        if saver:
            saved = saver.save(s, os.path.join(out, "model"), write_meta_graph=False)
            s.run(tf1.global_variables_initializer())
            saver.restore(s, saved)
        return [np.asarray(losses)] + s.run(variables)


def check_training(build, folder, steps, out):
    faults = check_file(build, os.path.join(folder, "meta.pb"), out)
    ours = os.path.join(out, "ours.meta")
    convert(build, os.path.join(folder, "meta.pb"), ours)
    want, got = train(folder, os.path.join(folder, "meta.pb"), steps, out), train(folder, ours, steps, out)
    if len(want) != len(got) or any(a.tobytes() != b.tobytes() for a, b in zip(want, got)):
        faults.append("trains differently: losses %s, %s" % (want[0][:3], got[0][:3]))
    return faults


def add_gradients(graph):
    """Of every float tensor that nothing reads, by the trainable variables; those of a training step have gradients already,
    and TensorFlow refuses the second of some."""
    used = {t for op in graph.get_operations() for t in op.inputs}
    no_end = ("Assign", "AssignSub", "Switch", "RefSwitch", "Merge")
    ends = [t for op in graph.get_operations() for t in op.outputs
            if t not in used and t.dtype == tf.float32 and op.type not in no_end and not op.name.startswith("gradients/")]
    variables = tf1.trainable_variables()
    if ends and variables:
        tf1.gradients(ends, variables)


def check_program(path, ours):
    faults = []
    for then in (None, add_gradients):
        what = difference(through_tensorflow(path, then=then), through_tensorflow(ours, then=then))
        if what:
            faults.append("%s: %s" % ("with gradients" if then else "as it is", what))
    return faults


def report(name, faults):
    print("%s %s" % ("FAILED" if faults else "passed", name), flush=True)
    for fault in faults:
        print("    " + fault.replace("\n", "\n    ")[:3000])
    return bool(faults)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--data", default=os.environ.get("EK_DATA", "../shared/data"))
    parser.add_argument("--steps", type=int, default=10)
    options = parser.parse_args()
    goldens = os.path.join(options.data, "tf115-graphs")
    if not os.path.isdir(goldens):
        print("skipped: there is no data folder '%s' (--data, or EK_DATA)" % options.data)
        return 0
    done = failed = 0
    with tempfile.TemporaryDirectory() as out:
        programs = subprocess.run([os.path.join(options.build, "meta_graphs"), "--programs", out], check=True, text=True,
                                  stdout=subprocess.PIPE).stdout.split("\n")
        for case in sorted(os.listdir(goldens)):
            path = os.path.join(goldens, case, "meta.pb")
            if not os.path.exists(path):
                continue
            failed += report(case, check_file(options.build, path, out))
            done += 1
            if case in programs:
                failed += report(case + ", built in C", check_program(path, os.path.join(out, case + ".pb")))
                done += 1
        path = os.path.join(options.data, "tf-files/meta-cond-while/model.meta")
        failed += report("meta-cond-while", check_file(options.build, path, out))
        for case in sorted(os.listdir(os.path.join(options.data, "trajectories"))):
            folder = os.path.join(options.data, "trajectories", case)
            if os.path.exists(os.path.join(folder, "meta.pb")):
                failed += report("trajectories/" + case, check_training(options.build, folder, options.steps, out))
                done += 1
    print("%d passed, %d failed" % (done + 1 - failed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
