#!/usr/bin/env python3
"""Writes examples/data/small_frozen.pb with TensorFlow (tensorflow-cpu 2.15): a small perceptron with a batch norm, as
freezing leaves it; beside it an input and TensorFlow's output for it, and an input of more rows.

    python3 tools/make_small_frozen.py        (from the root of the tree)
"""
import numpy as np
import tensorflow.compat.v1 as tf

tf.disable_eager_execution()
tf.disable_resource_variables()


def main():
    rng = np.random.RandomState(7)
    x = tf.placeholder(tf.float32, (None, 3), name="x")
    h = tf.layers.dense(x, 4, name="hidden", use_bias=False,
                        kernel_initializer=tf.constant_initializer(rng.standard_normal((3, 4)).astype(np.float32)))
    h = tf.layers.batch_normalization(h, name="bn", fused=False,
                                      gamma_initializer=tf.constant_initializer(rng.uniform(0.5, 2, 4)),
                                      beta_initializer=tf.constant_initializer(rng.standard_normal(4)),
                                      moving_mean_initializer=tf.constant_initializer(rng.standard_normal(4)),
                                      moving_variance_initializer=tf.constant_initializer(rng.uniform(0.5, 2, 4)))
    h = tf.sigmoid(h, name="act")
    y = tf.layers.dense(h, 2, name="out",
                        kernel_initializer=tf.constant_initializer(rng.standard_normal((4, 2)).astype(np.float32)))
    tf.tanh(y, name="y")
    value = rng.standard_normal((4, 3)).astype(np.float32)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        frozen = tf.graph_util.convert_variables_to_constants(session, tf.get_default_graph().as_graph_def(), ["y"])
        expected = session.run("y:0", {"x:0": value})
    frozen.ClearField("versions")
    with open("examples/data/small_frozen.pb", "wb") as f:
        f.write(frozen.SerializeToString(deterministic=True))
    np.save("examples/data/small_frozen_x.npy", value)
    np.save("examples/data/small_frozen_rows.npy", rng.standard_normal((64, 3)).astype(np.float32))
    with open("examples/data/small_frozen_y.txt", "w", encoding="ascii") as f:
        print(expected, file=f)


main()
