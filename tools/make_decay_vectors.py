#!/usr/bin/env python3
"""Writes tests/train/decay_vectors.h: names of the nodes of TensorFlow's learning rate decays, and their values.

    TF_ENABLE_ONEDNN_OPTS=0 python3 tools/make_decay_vectors.py        (tensorflow 2.15, the v1 interface)
"""
import os

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import tensorflow.compat.v1 as tf

tf.disable_v2_behavior()
T = tf.train
STEPS = [0, 1, 37, 99, 100, 101, 250, 700]
# With 1.15 a polynomial that cycles has a cond where 2.15 has a select: its names are left out.
SCHEDULES = [
    ("exponential", lambda s: T.exponential_decay(0.1, s, 100, 0.96)),
    ("staircase", lambda s: T.exponential_decay(0.1, s, 100, 0.96, staircase=True, name="rate")),
    ("natural_exp", lambda s: T.natural_exp_decay(0.1, s, 100, 0.5)),
    ("inverse_time", lambda s: T.inverse_time_decay(0.1, s, 100, 0.5)),
    ("polynomial", lambda s: T.polynomial_decay(0.1, s, 100, 0.01, power=0.5)),
    ("cycle", lambda s: T.polynomial_decay(0.1, s, 100, 0.01, power=2.0, cycle=True)),
    ("cosine", lambda s: T.cosine_decay(0.1, s, 100, alpha=0.1)),
    ("restarts", lambda s: T.cosine_decay_restarts(0.1, s, 100, m_mul=0.5)),
    ("equal_restarts", lambda s: T.cosine_decay_restarts(0.1, s, 100, t_mul=1.0, alpha=0.2)),
    ("two_pieces", lambda s: T.piecewise_constant(s, [100], [0.1, 0.05])),
    ("four_pieces", lambda s: T.piecewise_constant(s, [37, 100, 250], [0.1, 0.05, 0.01, 0.001])),
]


def main():
    lines = ["/* Made by tools/make_decay_vectors.py from TensorFlow %s. */" % tf.__version__]
    for name, make in SCHEDULES:
        tf.reset_default_graph()
        step = T.get_or_create_global_step()
        before = len(tf.get_default_graph().as_graph_def().node)
        rate = make(step)
        names = " ".join(n.name for n in list(tf.get_default_graph().as_graph_def().node)[before:])
        values = []
        with tf.Session() as s:
            for i in STEPS:
                step.load(i, s)
                values.append("%.9g" % s.run(rate))
        lines.append('{ "%s",' % name)
        if name == "cycle":
            lines.append("  NULL,")
        else:
            while names:
                cut = len(names) if len(names) <= 100 else names.rindex(" ", 0, 100) + 1
                lines.append('  "%s"' % names[:cut])
                names = names[cut:]
            lines[-1] += ","
        lines.append("  { %s } }," % ", ".join(values))
    path = os.path.join(os.path.dirname(__file__), "..", "tests", "train", "decay_vectors.h")
    with open(path, "w") as f:
        f.write("\n".join(lines) + "\n")


main()
