"""Times TensorFlow's products and convolutions for bench/products.

    python products_tf.py IMAGES,SIZE,IN,KERNEL,OUT,STRIDE ...

A product has IMAGES 0 and is (SIZE, IN, OUT). Prints "shape way threads microseconds" a line; ways are forward, by input,
by weights. RUNS ops follow one another in a step, so that what Session.run costs counts little; the graph is not rewritten.
"""
import os
import statistics
import subprocess
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ROUNDS = 9


def main(threads, shapes):
    import numpy as np
    import tensorflow as tf

    v1 = tf.compat.v1
    v1.disable_v2_behavior()
    config = v1.ConfigProto(intra_op_parallelism_threads=threads, inter_op_parallelism_threads=1)
    config.graph_options.optimizer_options.opt_level = -1
    config.graph_options.rewrite_options.disable_meta_optimizer = True

    def variable(*shape):
        return v1.get_variable("v%d" % len(v1.global_variables()), initializer=np.random.rand(*shape).astype("f4"))

    for i, (images, size, n_in, kernel, n_out, stride) in enumerate(shapes):
        for way in range(3):
            with tf.Graph().as_default():
                if images == 0:
                    x, w, dy = variable(size, n_in), variable(n_in, n_out), variable(size, n_out)
                    flops = size * n_in * n_out
                    op = [lambda: tf.matmul(x, w), lambda: tf.matmul(dy, w, transpose_b=True),
                          lambda: tf.matmul(x, dy, transpose_a=True)][way]
                else:
                    out = -(-size // stride)
                    x, w = variable(images, size, size, n_in), variable(kernel, kernel, n_in, n_out)
                    dy = variable(images, out, out, n_out)
                    flops = images * out * out * n_in * n_out * kernel * kernel
                    s = [1, stride, stride, 1]
                    op = [lambda: v1.nn.conv2d(x, w, s, "SAME"),
                          lambda: v1.nn.conv2d_backprop_input(x.shape, w, dy, s, "SAME"),
                          lambda: v1.nn.conv2d_backprop_filter(x, w.shape, dy, s, "SAME")][way]
                runs = max(1, min(50, int(2e8 / flops)))
                last = []
                for _ in range(runs):
                    with tf.control_dependencies(last):
                        last = [op().op]
                with v1.Session(config=config) as session:
                    session.run(v1.global_variables_initializer())
                    step = session.make_callable(last[0])
                    for _ in range(3):
                        step()
                    rounds = []
                    for _ in range(ROUNDS):
                        start, n = time.perf_counter(), 0
                        while time.perf_counter() - start < 4e-3:
                            step()
                            n += 1
                        rounds.append((time.perf_counter() - start) / n / runs * 1e6)
                    print(i, way, threads, statistics.median(rounds), flush=True)


if sys.argv[1].startswith("threads="):
    main(int(sys.argv[1][8:]), [tuple(map(int, s.split(","))) for s in sys.argv[2:]])
else:
    try:
        import tensorflow  # noqa: F401
    except ImportError as e:
        print("no tensorflow here:", e, file=sys.stderr)
        sys.exit(3)
    for t in (1, 2):  # TensorFlow fixes its threads once per process
        subprocess.run([sys.executable, __file__, "threads=%d" % t] + sys.argv[1:], check=True)
