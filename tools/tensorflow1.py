"""TensorFlow's version 1 interface on plain kernels and one thread, for the scripts that ask it (check_*.py).

Where TensorFlow is not installed, importing this says so and ends the script with 0.
"""
import os
import sys

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

try:
    import numpy as np
    import tensorflow as tf
except ImportError:
    print("skipped: TensorFlow is not installed (pip install tensorflow-cpu==2.15.1)")
    sys.exit(0)

tf1 = tf.compat.v1
tf1.logging.set_verbosity(tf1.logging.ERROR)


def session(graph, optimize=True):
    config = tf1.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
    config.graph_options.rewrite_options.disable_meta_optimizer = not optimize
    return tf1.Session(graph=graph, config=config)


def graph_def(path):
    with open(path, "rb") as f:
        return tf1.GraphDef.FromString(f.read())


def constants(path):
    """The values of a graph of Const nodes, by name."""
    return {n.name: tf.make_ndarray(n.attr["value"].tensor) for n in graph_def(path).node}


# ---- data/trajectories -----------------------------------------------------------------------------------------------


def initial_values(folder):
    """The first values of a program's variables, by name."""
    return constants(os.path.join(folder, "initial.pb"))


def batch(folder, name, step):
    """What a program's placeholder is fed in a step: a flag is true."""
    path = os.path.join(folder, name + ".npy")
    return np.load(path)[step % 10] if os.path.exists(path) else True
