#!/usr/bin/env python3
"""Writes tests/cli/data/one_step.pb with TensorFlow (tensorflow-cpu 2.15): one training step of a batch norm behind a flag,
its gradient and the updates in it.

    python3 tools/make_one_step.py        (from the root of the tree)
"""
import tensorflow.compat.v1 as tf

tf.disable_v2_behavior()
tf.enable_resource_variables()


def main():
    x = tf.placeholder(tf.float32, (None, 3), name="x")
    training = tf.placeholder_with_default(False, (), name="training")
    kernel = tf.get_variable("kernel", (3, 4), initializer=tf.ones_initializer())
    y = tf.layers.batch_normalization(tf.matmul(x, kernel, name="h"), name="bn", training=training)
    loss = tf.reduce_mean(tf.square(y - 1.0), name="loss")
    with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
        tf.train.GradientDescentOptimizer(0.1).minimize(loss, name="step")
    graph = tf.get_default_graph().as_graph_def()
    graph.ClearField("versions")
    with open("tests/cli/data/one_step.pb", "wb") as f:
        f.write(graph.SerializeToString(deterministic=True))


main()
