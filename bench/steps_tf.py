"""TensorFlow's side of bench/steps: makes the training graphs, and times its callable on them when asked.

    python steps_tf.py FOLDER THREADS

Writes FOLDER/mlp.pb and FOLDER/convnet.pb and says "ready"; then for each line "NAME STEPS" on its input runs that many steps
and prints the microseconds a step. One process per number of threads: a process has one pool.
"""
import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
try:
    import numpy as np
    import tensorflow as tf
except ImportError as e:
    print("no tensorflow here:", e, file=sys.stderr)
    sys.exit(3)

v1 = tf.compat.v1


def finish(h, labels):
    logits = v1.layers.dense(h, 10, name="logits")
    loss = v1.identity(v1.losses.sparse_softmax_cross_entropy(labels, logits), name="loss")
    with tf.control_dependencies(v1.get_collection(v1.GraphKeys.UPDATE_OPS)):
        v1.train.GradientDescentOptimizer(0.1).minimize(loss, name="train")


def inputs(shape):
    x = v1.placeholder(tf.float32, [None] + shape, name="x")
    labels = v1.placeholder(tf.int64, [None], name="labels")
    return x, labels, v1.placeholder_with_default(False, [], name="training")


def mlp():
    x, labels, training = inputs([784])
    h = x
    for _ in range(3):
        h = tf.nn.sigmoid(v1.layers.batch_normalization(v1.layers.dense(h, 100), training=training))
    finish(h, labels)


def convnet():
    x, labels, training = inputs([32, 32, 3])
    h = x
    for filters, stride in ((16, 1), (32, 2), (64, 2)):
        h = v1.layers.conv2d(h, filters, 3, stride, padding="same", use_bias=False)
        h = tf.nn.relu(v1.layers.batch_normalization(h, training=training))
    finish(tf.reduce_mean(h, [1, 2]), labels)


def prepare(build, shape, path, threads):
    """A function that runs n steps."""
    with tf.Graph().as_default() as g:
        v1.set_random_seed(1)
        build()
        init = v1.global_variables_initializer()
        with open(path, "wb") as f:
            f.write(g.as_graph_def().SerializeToString())
        s = v1.Session(config=v1.ConfigProto(intra_op_parallelism_threads=threads, inter_op_parallelism_threads=threads))
        s.run(init)
        call = s.make_callable(["loss:0", "train"], feed_list=["x:0", "labels:0", "training:0"])
    random = np.random.RandomState(1)
    x = random.standard_normal(shape).astype(np.float32)
    labels = np.arange(shape[0]) % 10
    flag = np.array(True)

    def run(n):
        for _ in range(n):
            call(x, labels, flag)
    run(5)
    return run


def main():
    folder, threads = sys.argv[1], int(sys.argv[2])
    v1.disable_v2_behavior()
    nets = {"mlp": prepare(mlp, [60, 784], os.path.join(folder, "mlp.pb"), threads),
            "convnet": prepare(convnet, [128, 32, 32, 3], os.path.join(folder, "convnet.pb"), threads)}
    print("ready", flush=True)
    for line in sys.stdin:
        name, steps = line.split()
        start = time.perf_counter()
        nets[name](int(steps))
        print((time.perf_counter() - start) / int(steps) * 1e6, flush=True)


main()
