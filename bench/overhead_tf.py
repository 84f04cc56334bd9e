"""Times TensorFlow's Session.run and callable on the graph that bench/overhead wrote.

    python overhead_tf.py GRAPH.pb INIT FETCH

Prints "library=... session_run_us=... callable_us=..."; nothing but a line on stderr where TensorFlow is absent.
"""
import os
import statistics
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
try:
    import numpy as np
    import tensorflow as tf
except ImportError as e:
    print("no tensorflow here:", e, file=sys.stderr)
    sys.exit(3)

ROUNDS, RUNS = 7, 1000


def per_run_us(run):
    rounds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(RUNS):
            run()
        rounds.append((time.perf_counter() - start) / RUNS * 1e6)
    return statistics.median(rounds)


def main():
    graph_file, init, fetch = sys.argv[1:4]
    v1 = tf.compat.v1
    v1.disable_v2_behavior()
    graph_def = v1.GraphDef()
    with open(graph_file, "rb") as f:
        graph_def.ParseFromString(f.read())
    with tf.Graph().as_default() as g:
        tf.import_graph_def(graph_def, name="")
        config = v1.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
        with v1.Session(graph=g, config=config) as s:
            s.run(init)
            x = np.array([[-10], [0], [10]], np.float32)
            flag = np.array(True)
            feed = {"x:0": x, "is_training:0": flag}
            run_us = per_run_us(lambda: s.run(fetch + ":0", feed))
            call = s.make_callable(fetch + ":0", feed_list=["x:0", "is_training:0"])
            call_us = per_run_us(lambda: call(x, flag))
    library = os.path.join(os.path.dirname(tf.__file__), "libtensorflow_cc.so.2")
    print(f"library={library} session_run_us={run_us:.3f} callable_us={call_us:.3f}")


main()
