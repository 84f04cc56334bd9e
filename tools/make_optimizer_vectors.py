#!/usr/bin/env python3
"""Writes tests/train/optimizer_vectors.h: what TensorFlow's optimizers make of a variable in three steps.

Needs tensorflow (2.15, the v1 interface). Usage: TF_ENABLE_ONEDNN_OPTS=0 python tools/make_optimizer_vectors.py
Every case is run with a reference and with a resource variable, which must give the same bits.
"""
import os

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import numpy as np
import tensorflow.compat.v1 as tf

tf.disable_v2_behavior()
T = tf.train
OPTIMIZERS = [
    ("descent", lambda: T.GradientDescentOptimizer(0.1), []),
    ("momentum", lambda: T.MomentumOptimizer(0.1, 0.9), ["momentum"]),
    ("nesterov", lambda: T.MomentumOptimizer(0.1, 0.9, use_nesterov=True), ["momentum"]),
    ("adam", lambda: T.AdamOptimizer(0.01, beta2=0.99), ["m", "v"]),
    ("rms_prop", lambda: T.RMSPropOptimizer(0.01, 0.8, 0.5, 1e-3), ["rms", "momentum"]),
    ("centered", lambda: T.RMSPropOptimizer(0.01, momentum=0.5, centered=True), ["rms", "mg", "momentum"]),
    ("adagrad", lambda: T.AdagradOptimizer(0.1, 0.2), ["accumulator"]),
    ("adadelta", lambda: T.AdadeltaOptimizer(0.1), ["accum", "accum_update"]),
    ("ftrl", lambda: T.FtrlOptimizer(0.1, l1_regularization_strength=0.2, l2_regularization_strength=0.3),
     ["accum", "linear"]),
    ("ftrl_v2", lambda: T.FtrlOptimizer(0.1, learning_rate_power=-0.7, l2_shrinkage_regularization_strength=0.4),
     ["accum", "linear"]),
]
START = [[1.0, -0.5], [0.25, 2.0], [-1.5, 0.75], [0.125, -3.0]]
DENSE = [[0.5, -0.3], [0.9, 0.0], [0.001, -2.0], [1.5, 0.25]]
ROWS, INDICES = [[0.5, -0.25], [1.0, 0.75], [-0.3, 0.6]], [2, 0, 2]


def run(make, slots, dtype, resource, rows):
    tf.reset_default_graph()
    v = tf.Variable(np.array(START, dtype), name="v", use_resource=resource)
    step = tf.placeholder(dtype, [])
    if rows:
        grad = tf.IndexedSlices(tf.constant(ROWS, dtype) * step, tf.constant(INDICES), tf.constant([4, 2]))
    else:
        grad = tf.constant(DENSE, dtype) * step
    optimizer = make()
    train = optimizer.apply_gradients([(grad, v)])
    with tf.Session(config=tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)) as s:
        s.run(tf.global_variables_initializer())
        for factor in (1.0, -0.5, 2.0):
            s.run(train, {step: factor})
        return [s.run(x) for x in [v] + [optimizer.get_slot(v, name) for name in slots]]


def main():
    lines = ["/* Made by tools/make_optimizer_vectors.py from TensorFlow %s. */" % tf.__version__]
    for dtype in ("float32", "float64"):
        for rows in (False, True):
            for name, make, slots in OPTIMIZERS:
                got = run(make, slots, dtype, False, rows)
                other = run(make, slots, dtype, True, rows)
                for a, b in zip(got, other):
                    assert a.tobytes() == b.tobytes(), (name, dtype, rows)
                digits = 9 if dtype == "float32" else 17
                lines.append('{ "%s", EK_%s, %s, { %s }, {' % (name, dtype.upper(), "true" if rows else "false",
                                                            ", ".join('"%s"' % s for s in slots) or "NULL"))
                for a in got:
                    lines.append("    { " + ", ".join("%.*g" % (digits, x) for x in a.ravel()) + " },")
                lines.append("} },")
    path = os.path.join(os.path.dirname(__file__), "..", "tests", "train", "optimizer_vectors.h")
    with open(path, "w") as f:
        f.write("\n".join(lines) + "\n")


main()
