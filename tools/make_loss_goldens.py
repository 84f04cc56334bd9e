#!/usr/bin/env python3
"""Writes tests/layers/golden/NAME.pb.gz with TensorFlow (tensorflow-cpu 2.15): graphs of tf.losses and tf.metrics, and their values.

    python3 tools/make_loss_goldens.py [NAME ...]       (from the root of the tree)

The functions below are the programs of tests/layers/losses_test.c and metrics_test.c, line by line. What 2.15's front end does differently
from 1.15's is put back: tf.add emits Add, a known shape is one Const, as
are all axes, metrics divide with tf.div, and attributes that came later go.

After the program's nodes come Const nodes: stepK/feed/NAME, the value of a placeholder in step K, and stepK/fetch/NAME, that of
tensor NAME:0 then; stepK/after/NAME is fetched in a second run. Local variables are initialized before step 1 and kept. Collections are a string vector each, collection/KEY.
"""
import gzip
import os
import sys

os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import numpy as np
import tensorflow.compat.v1 as tf
from tensorflow.python.ops import array_ops, gen_math_ops, math_ops, metrics_impl

tf.disable_v2_behavior()
F, I = np.float32, np.int64


class Divides:
    """math_ops, in which a division is tf.div."""

    def __getattr__(self, name):
        return math_ops.div if name == "divide" else getattr(math_ops, name)


def shape_internal(input, name=None, optimize=True, out_type=None):
    return shape_of(input, name, optimize, out_type or tf.int32)


def reduction_dims(x, axis):
    rank = x.shape.rank if axis is None else None
    return dims_of(x, axis) if rank is None else tf.constant(np.arange(rank), tf.int32)


math_ops.add = gen_math_ops.add
dims_of, math_ops._ReductionDims = math_ops._ReductionDims, reduction_dims
shape_of, array_ops.shape_internal = array_ops.shape_internal, shape_internal
metrics_impl.math_ops = Divides()
LATER = ("_has_manual_control_dependencies", "grad_a", "grad_b", "grad_x", "grad_y", "debug_name",
         "allowed_devices", "incompatible_shape_error")
LATER_OF = {"AssignVariableOp": ["validate_shape"], "TopKV2": ["Tk", "index_type"]}
random = np.random.RandomState(7)
R = tf.losses.Reduction


def rows(*shape):
    """Numbers that float32 holds exactly."""
    return (random.randint(-256, 256, shape) / 64.0).astype(F)


def chances(*shape):
    return (random.randint(1, 64, shape) / 64.0).astype(F)


def bits(*shape):
    return random.randint(0, 2, shape).astype(F)


def losses_each():
    y = tf.placeholder(tf.float32, [None, 3], name="y")
    p = tf.placeholder(tf.float32, [None, 3], name="p")
    classes = tf.placeholder(tf.int64, [None], name="classes")
    out = [tf.losses.absolute_difference(y, p), tf.losses.cosine_distance(y, p, axis=1), tf.losses.hinge_loss(y, p),
           tf.losses.huber_loss(y, p, delta=0.5), tf.losses.log_loss(y, p), tf.losses.log_loss(y, p, epsilon=0.25),
           tf.losses.mean_pairwise_squared_error(y, p), tf.losses.mean_squared_error(y, p),
           tf.losses.sigmoid_cross_entropy(y, p), tf.losses.softmax_cross_entropy(y, p),
           tf.losses.sparse_softmax_cross_entropy(classes, p), tf.losses.compute_weighted_loss(p)]
    return out, [{"y": bits(4, 3), "p": chances(4, 3), "classes": np.array([2, 0, 1, 1], I)},
                 {"y": chances(1, 3), "p": chances(1, 3), "classes": np.array([0], I)}]


def losses_weights():
    y = tf.placeholder(tf.float32, [2, 3], name="y")
    p = tf.placeholder(tf.float32, [2, 3], name="p")
    q = tf.placeholder(tf.float32, [None, 3], name="q")
    w = tf.placeholder(tf.float32, [None, 1], name="w")
    v = tf.placeholder(tf.float32, name="v")
    k = tf.get_variable("k", [1, 3], initializer=tf.constant_initializer([1.0, 0.0, 3.0]),
                        collections=[tf.GraphKeys.LOCAL_VARIABLES])
    f = tf.losses
    out = [f.mean_squared_error(y, p, 2.0), f.mean_squared_error(y, p, 3), f.mean_squared_error(y, p, 0.0),
           f.mean_squared_error(y, p, np.array([[1.0], [0.0]], F)), f.absolute_difference(y, p, np.array([[1, 0, 2]])),
           f.hinge_loss(y, p, np.array([[1.0, 2.0, 3.0], [0.0, 0.5, 0.0]], F)), f.huber_loss(y, p, k),
           f.log_loss(q, q, w), f.mean_squared_error(q, p, w), f.mean_squared_error(q, q, v),
           f.mean_pairwise_squared_error(q, q * 0.5, w), f.mean_pairwise_squared_error(y, p, 2.0),
           f.mean_squared_error(tf.constant([[1, 2, 3]]), tf.constant([[1.5, 2.5, 2.0]], tf.float64)),
           f.compute_weighted_loss(tf.constant([1.0, 2.0], tf.float16), 0.5),
           f.compute_weighted_loss(np.array([1.0, 2.0, 4.0], F), q[0])]
    return out, [{"y": bits(2, 3), "p": chances(2, 3), "q": chances(2, 3), "w": np.array([[2.0], [0.0]], F), "v": F(0.5)},
                 {"y": bits(2, 3), "p": chances(2, 3), "q": chances(2, 3), "w": np.array([[0.5]], F),
                  "v": np.array([[0.0, 1.0, 3.0]], F)}]


def losses_reductions():
    y = tf.placeholder(tf.float32, [None, 3], name="y")
    p = tf.placeholder(tf.float32, [None, 3], name="p")
    s = tf.placeholder(tf.float32, [2, 3], name="s")
    w = tf.placeholder(tf.float32, [None, 1], name="w")
    c = tf.placeholder(tf.int32, [None], name="c")
    u = tf.placeholder(tf.float32, name="u")
    f, out = tf.losses, []
    for r in (R.NONE, R.SUM, R.SUM_OVER_BATCH_SIZE, R.MEAN, R.SUM_BY_NONZERO_WEIGHTS):
        out.append(f.mean_squared_error(y, p, w, reduction=r))
        out.append(f.absolute_difference(s, s * 0.5, 2.0, scope="fixed", reduction=r))
        out.append(f.sparse_softmax_cross_entropy(c, p, loss_collection="mine", reduction=r))
        out.append(f.compute_weighted_loss(u, 3.0, loss_collection=None, reduction=r))
    with tf.name_scope("tower"):
        out.append(f.hinge_loss(y, p, scope="again/"))
    return out, [{"y": bits(2, 3), "p": chances(2, 3), "s": rows(2, 3), "w": np.array([[2.0], [0.0]], F),
                  "c": np.array([1, 2], np.int32), "u": rows(2, 2)},
                 {"y": bits(3, 3), "p": rows(3, 3), "s": rows(2, 3), "w": np.array([[0.5], [1.0], [3.0]], F),
                  "c": np.array([0, 0, 1], np.int32), "u": rows(4)}]


def losses_cross_entropy():
    x2 = tf.placeholder(tf.float32, [None, 4], name="x2")
    y2 = tf.placeholder(tf.float32, [None, 4], name="y2")
    x3 = tf.placeholder(tf.float32, [2, 3, 4], name="x3")
    x3n = tf.placeholder(tf.float32, [None, 3, 4], name="x3n")
    xu = tf.placeholder(tf.float32, name="xu")
    xh = tf.placeholder(tf.float16, [2, 4], name="xh")
    xd = tf.placeholder(tf.float64, [None, 4], name="xd")
    c1 = tf.placeholder(tf.int64, [None], name="c1")
    c2 = tf.placeholder(tf.int32, [2, 3], name="c2")
    c2n = tf.placeholder(tf.int64, [None, None], name="c2n")
    c11 = tf.placeholder(tf.int64, [None, 1], name="c11")
    w11 = tf.placeholder(tf.float32, [None, 1], name="w11")
    cu = tf.placeholder(tf.int64, name="cu")
    cd = tf.placeholder(tf.int64, [None, 4], name="cd")
    f, n = tf.losses, tf.nn
    out = [n.sparse_softmax_cross_entropy_with_logits(labels=c1, logits=x2),
           n.sparse_softmax_cross_entropy_with_logits(labels=c2, logits=x3, name="known"),
           n.sparse_softmax_cross_entropy_with_logits(labels=c2n, logits=x3n, name="partly"),
           n.sparse_softmax_cross_entropy_with_logits(labels=cu, logits=xu),
           n.sparse_softmax_cross_entropy_with_logits(labels=np.array([1, 3]), logits=xh),
           n.softmax_cross_entropy_with_logits_v2(labels=y2, logits=x2),
           n.softmax_cross_entropy_with_logits_v2(labels=x3, logits=x3, axis=1, name="moved"),
           n.softmax_cross_entropy_with_logits_v2(labels=x3n, logits=x3n),
           n.softmax_cross_entropy_with_logits_v2(labels=xu, logits=xu),
           n.softmax_cross_entropy_with_logits_v2(labels=y2[:2], logits=xh),
           n.softmax_cross_entropy_with_logits(labels=y2, logits=x2),
           n.sigmoid_cross_entropy_with_logits(labels=y2, logits=x2),
           n.sigmoid_cross_entropy_with_logits(labels=x3, logits=x3, name="each"),
           f.softmax_cross_entropy(y2, x2, label_smoothing=0.1), f.softmax_cross_entropy(cd, xd, 2.0),
           f.softmax_cross_entropy(x3, x3, label_smoothing=0.25, reduction=R.NONE),
           f.sigmoid_cross_entropy(y2, x2, w11, label_smoothing=0.125),
           f.sparse_softmax_cross_entropy(c11, x2), f.sparse_softmax_cross_entropy(c1, x2, w11),
           f.sparse_softmax_cross_entropy(c2, x3, np.array([[1.0], [0.5]], F)),
           f.sparse_softmax_cross_entropy(cu, xu), f.sparse_softmax_cross_entropy(c1, xu, w11),
           f.sparse_softmax_cross_entropy(cu, x2, w11), f.sparse_softmax_cross_entropy(np.array([1, 3]), xh)]
    return out, [{"x2": rows(2, 4), "y2": chances(2, 4), "x3": rows(2, 3, 4), "x3n": rows(1, 3, 4), "xu": rows(2, 4),
                  "xh": rows(2, 4).astype(np.float16), "xd": rows(1, 4).astype(np.float64), "c1": np.array([3, 0], I),
                  "c2": np.array([[0, 1, 2], [3, 3, 0]], np.int32), "c2n": np.array([[1, 0, 3]], I),
                  "c11": np.array([[1], [2]], I), "w11": np.array([[1.0], [0.5]], F), "cu": np.array([2, 1], I),
                  "cd": np.array([[0, 0, 1, 0]], I)}]


def losses_gradients():
    y = tf.placeholder(tf.float32, [None, 3], name="y")
    p = tf.placeholder(tf.float32, [None, 3], name="p")
    x = tf.placeholder(tf.float32, [None, 2, 3], name="x")
    c = tf.placeholder(tf.int64, [None, 2], name="c")
    w = tf.placeholder(tf.float32, [None, 1], name="w")
    u = tf.placeholder(tf.float32, name="u")
    f = tf.losses
    pairs = [(f.absolute_difference(y, p, w), p), (f.cosine_distance(y, p, axis=1, weights=w), p),
             (f.hinge_loss(y, p, u), p), (f.huber_loss(y, p, w, delta=0.5), p), (f.log_loss(y, p, u, epsilon=0.25), p),
             (f.mean_pairwise_squared_error(y, p, w), p), (f.mean_squared_error(y, p, w, reduction=R.MEAN), p),
             (f.mean_squared_error(y, p, w), w), (f.sigmoid_cross_entropy(y, p, w, label_smoothing=0.25), p),
             (f.softmax_cross_entropy(y, p, u, label_smoothing=0.25), p),
             (f.softmax_cross_entropy(x, x, reduction=R.SUM_OVER_BATCH_SIZE), x),
             (tf.nn.softmax_cross_entropy_with_logits_v2(labels=x, logits=tf.ones_like(x)), x),
             (f.sparse_softmax_cross_entropy(c, x), x), (f.sparse_softmax_cross_entropy(c[:, 0], p, w), p)]
    out = [tf.identity(tf.gradients(loss, at)[0], name="d%d" % i) for i, (loss, at) in enumerate(pairs)]
    return out, [{"y": bits(2, 3), "p": chances(2, 3), "x": rows(2, 2, 3), "c": np.array([[0, 2], [1, 1]], I),
                  "w": np.array([[2.0], [0.5]], F), "u": F(0.5)}]


def losses_total():
    x = tf.placeholder(tf.float32, [None, 2], name="x")
    none = tf.losses.get_regularization_loss()
    with tf.variable_scope("net"):
        w = tf.get_variable("w", [2, 3], initializer=tf.constant_initializer(0.5),
                            collections=[tf.GraphKeys.LOCAL_VARIABLES])
    with tf.colocate_with(w), tf.name_scope("net/w/Regularizer/"): # 1.15's l2(0.5)
        tf.add_to_collection(tf.GraphKeys.REGULARIZATION_LOSSES, 0.0 + 0.5 * tf.reduce_sum(tf.square(w)))
    one = tf.losses.get_regularization_loss()
    alone = tf.losses.get_total_loss()
    h = tf.matmul(x, w)
    a = tf.losses.mean_squared_error(tf.zeros_like(h), h)
    with tf.name_scope("head"):
        b = tf.losses.absolute_difference(tf.ones_like(h), h, 0.5)
    tf.losses.add_loss(tf.reduce_sum(h, name="own"))
    out = [none, one, alone, a, b, tf.losses.get_total_loss(), tf.losses.get_total_loss(False, name="without"),
           tf.losses.get_total_loss(scope="head"), tf.losses.get_regularization_loss(scope="net", name="decay"),
           tf.losses.get_regularization_loss(scope="other"), tf.add_n(tf.losses.get_losses(scope="own|mean"))]
    return out, [{"x": rows(2, 2)}]


def losses_in_cond():
    flag = tf.placeholder(tf.bool, [], name="flag")
    y = tf.placeholder(tf.float32, [None, 2], name="y")
    p = tf.placeholder(tf.float32, [None, 2], name="p")
    w = tf.placeholder(tf.float32, [None, 1], name="w")
    a = tf.cond(flag, lambda: tf.losses.mean_squared_error(y, p, w, loss_collection=None),
                lambda: tf.losses.absolute_difference(y, p, loss_collection=None))
    with tf.control_dependencies([a]):
        b = tf.losses.huber_loss(y, p)
    given = {"y": bits(3, 2), "p": rows(3, 2), "w": np.array([[1.0], [0.0], [2.0]], F)}
    return [a, b], [dict(given, flag=np.bool_(True)), dict(given, flag=np.bool_(False))]


def fetched(metrics):
    """Updates run first: a step's values are those after it."""
    return [m[1] for m in metrics], [m[0] for m in metrics]


def metrics_mean():
    v = tf.placeholder(tf.float32, [None, 3], name="v")
    k = tf.placeholder(tf.int32, [2, 3], name="k")
    u = tf.placeholder(tf.float32, name="u")
    w = tf.placeholder(tf.float32, [None, 1], name="w")
    w1 = tf.placeholder(tf.float32, [None], name="w1")
    wu = tf.placeholder(tf.float32, name="wu")
    x = tf.placeholder(tf.float32, name="x")
    m = tf.metrics
    got = [m.mean(v), m.mean(k, 2.0), m.mean(v, w, ["mine"], ["ups", "more"], name="weighed"), m.mean(u, wu), m.mean(u),
           m.mean(w, w1), m.mean(x, w), m.mean_tensor(k), m.mean_tensor(k, np.array([[1.0], [0.5]], F)),
           m.percentage_below(v, 0.5, w), m.percentage_below(k, 2, name="small")]
    return fetched(got), [{"v": rows(2, 3), "k": random.randint(0, 5, (2, 3)).astype(np.int32), "u": rows(2, 2),
                           "w": np.array([[2.0], [0.0]], F), "w1": np.array([1.0, 2.0], F), "wu": rows(2, 1),
                           "x": rows(2)},
                          {"v": rows(1, 3), "k": random.randint(0, 5, (2, 3)).astype(np.int32), "u": rows(4),
                           "w": np.array([[0.5]], F), "w1": np.array([3.0], F), "wu": F(3.0), "x": rows(1, 1)}]


def metrics_pairs():
    y = tf.placeholder(tf.float32, [None, 3], name="y")
    p = tf.placeholder(tf.float32, [None, 3], name="p")
    c = tf.placeholder(tf.int64, [None], name="c")
    d = tf.placeholder(tf.int32, [None, 1], name="d")
    w = tf.placeholder(tf.float32, [None, 1], name="w")
    u = tf.placeholder(tf.int64, name="u")
    m = tf.metrics
    with tf.variable_scope("net"):
        first = m.accuracy(c, d)
    got = [first, m.accuracy(c, c, w, name="acc"), m.accuracy(u, c, w), m.mean_absolute_error(y, p),
           m.mean_squared_error(y, p, w, ["mine"], ["ups"]), m.root_mean_squared_error(y, p, w, ["mine"], ["ups"]),
           m.mean_relative_error(y, p, y), m.mean_relative_error(y, p, np.array([[1.0, 0.0, 2.0]], F), name="relative"),
           m.mean_cosine_distance(y, p, 1), m.mean_cosine_distance(y, p, 1, w, ["mine"], ["ups"])]
    return fetched(got), [{"y": chances(1, 3), "p": chances(1, 3), "c": np.array([2], I), "d": np.array([[2]], np.int32),
                           "w": np.array([[2.0]], F), "u": np.array([1], I)},
                          {"y": bits(1, 3), "p": chances(1, 3), "c": np.array([0], I), "d": np.array([[1]], np.int32),
                           "w": np.array([[0.5]], F), "u": np.array([0], I)}]


def metrics_count():
    y = tf.placeholder(tf.float32, [None, 3], name="y")
    p = tf.placeholder(tf.float32, [None, 3], name="p")
    b = tf.placeholder(tf.bool, [None], name="b")
    i = tf.placeholder(tf.int64, [None, 1], name="i")
    w = tf.placeholder(tf.float32, [None, 3], name="w")
    v = tf.placeholder(tf.float32, name="v")
    m = tf.metrics
    got = [m.true_positives(y, p), m.false_positives(y, p, w), m.true_negatives(b, i, 2), m.false_negatives(y, p, v),
           m.false_negatives(v, v, w, ["mine"], ["ups"], name="fn"), m.precision(y, p), m.precision(y, p, w, ["mine"]),
           m.recall(b, i), m.recall(y, p, 0.5, None, ["ups"], name="r")]
    return fetched(got), [{"y": bits(2, 3), "p": bits(2, 3), "b": np.array([True, False]), "i": np.array([[0], [3]], I),
                           "w": chances(2, 3), "v": bits(2, 3)},
                          {"y": bits(1, 3), "p": bits(1, 3), "b": np.array([True]), "i": np.array([[1]], I),
                           "w": chances(1, 3), "v": bits(1, 3)}]


def metrics_thresholds():
    y = tf.placeholder(tf.bool, [None], name="y")
    p = tf.placeholder(tf.float32, [None], name="p")
    y2 = tf.placeholder(tf.int32, [2, 2], name="y2")
    p2 = tf.placeholder(tf.float64, [2, 2], name="p2")
    w = tf.placeholder(tf.float32, [None], name="w")
    t, m = [0.25, 0.5, 0.75], tf.metrics
    got = [m.true_positives_at_thresholds(y, p, t), m.false_positives_at_thresholds(y, p, [0.5], w),
           m.true_negatives_at_thresholds(y2, p2, t, 2.0), m.false_negatives_at_thresholds(y, p, t, None, ["mine"], ["ups"]),
           m.precision_at_thresholds(y, p, t), m.recall_at_thresholds(y2, p2, t, name="r"),
           m.sensitivity_at_specificity(y, p, 0.5, num_thresholds=20), m.specificity_at_sensitivity(y, p, 0.5, w, 10)]
    return fetched(got), [{"y": np.array([True, False, True, False]), "p": chances(4), "w": chances(4),
                           "y2": np.array([[0, 1], [1, 0]], np.int32), "p2": chances(2, 2).astype(np.float64)},
                          {"y": np.array([True, False, False]), "p": chances(3), "w": chances(3),
                           "y2": np.array([[0, 1], [1, 1]], np.int32), "p2": chances(2, 2).astype(np.float64)}]


def metrics_auc():
    y = tf.placeholder(tf.bool, [None], name="y")
    p = tf.placeholder(tf.float32, [None], name="p")
    w = tf.placeholder(tf.float32, [None], name="w")
    m = tf.metrics
    got = [m.auc(y, p, num_thresholds=30), m.auc(y, p, w, 12, ["mine"], ["ups"], "PR"),
           m.auc(y, p, num_thresholds=15, curve="PR", summation_method="careful_interpolation"),
           m.auc(y, p, num_thresholds=9, summation_method="minoring", name="low"),
           m.auc(y, p, num_thresholds=9, summation_method="majoring"), m.auc(y, p, thresholds=[0.75, 0.25, 0.5])]
    return fetched(got), [{"y": np.array([True, False, True, False]), "p": chances(4), "w": chances(4)},
                          {"y": np.array([True, False, False]), "p": chances(3), "w": chances(3)}]


def metrics_resource():
    tf.enable_resource_variables()
    y = tf.placeholder(tf.float32, [None, 3], name="y")
    p = tf.placeholder(tf.float32, [None, 3], name="p")
    m = tf.metrics
    got = [m.mean_squared_error(y, p), m.precision(y, p), m.auc(y, p, num_thresholds=5),
           m.recall_at_thresholds(y, p, [0.5]), m.sensitivity_at_specificity(y, p, 0.5, num_thresholds=4)]
    tf.disable_resource_variables()
    return fetched(got), [{"y": bits(2, 3), "p": chances(2, 3)}, {"y": bits(1, 3), "p": chances(1, 3)}]


def metrics_at_k():
    x = tf.placeholder(tf.float32, [None, 5], name="x")
    y = tf.placeholder(tf.int64, [None], name="y")
    y2 = tf.placeholder(tf.int64, [None, 2], name="y2")
    i = tf.placeholder(tf.int32, [None, 3], name="i")
    w = tf.placeholder(tf.float32, [None], name="w")
    u = tf.placeholder(tf.int64, name="u")
    m = tf.metrics
    got = [m.recall_at_k(y, x, 2), m.recall_at_k(y2, x, 3, weights=w), m.precision_at_k(y2, x, 1, weights=0.5, name="p"),
           m.precision_at_top_k(y, i), m.recall_at_top_k(u, i, 3, None, None, ["mine"], ["ups"]), m.precision_at_k(u, x, 2)]
    return fetched(got), [{"x": rows(2, 5), "y": np.array([1, 4], I), "y2": np.array([[0, 0], [1, 2]], I),
                           "i": np.array([[0, 1, 2], [3, 4, 1]], np.int32), "w": np.array([2.0, 0.5], F),
                           "u": np.array([1, 0], I)},
                          {"x": rows(1, 5), "y": np.array([3], I), "y2": np.array([[4, 3]], I),
                           "i": np.array([[3, 0, 2]], np.int32), "w": np.array([1.0], F), "u": np.array([[2, 3]], I)}]


def metrics_top_k():
    x = tf.placeholder(tf.float32, [None, 4], name="x")
    c = tf.placeholder(tf.int32, [None], name="c")
    d = tf.placeholder(tf.int64, [None], name="d")
    k = tf.placeholder(tf.int64, [], name="k")
    out = [tf.nn.in_top_k(x, c, 2), tf.nn.in_top_k(x, d, k, name="best"),
           tf.reduce_mean(tf.cast(tf.equal(tf.argmax(x, 1), d), tf.float32), name="accuracy")]
    given = np.array([[1, 2, 3, 4], [4, 4, 1, 1], [1, np.inf, 0, 0]], F)
    return out, [{"x": given, "c": np.array([2, 2, 0], np.int32), "d": np.array([3, 1, 1], I), "k": I(1)}]


def without_later(graph):
    for node in graph.node:
        node.ClearField("experimental_type")
        for name in LATER:
            if name in node.attr:
                del node.attr[name]
        for name in LATER_OF.get(node.op, ()):
            del node.attr[name]
    return graph


def constant(graph, name, value):
    node = graph.node.add(name=name, op="Const")
    node.attr["dtype"].type = tf.as_dtype(value.dtype if value.dtype.kind not in "OSU" else tf.string).as_datatype_enum
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))


def item_name(item):
    return item.name if hasattr(item, "name") else str(item)


def make(program):
    global random
    random = np.random.RandomState(7)
    with tf.Graph().as_default() as g:
        fetches, steps = program()
        out = tf.GraphDef() if program in VALUES_ONLY else without_later(g.as_graph_def())
        out.ClearField("versions")
        for key in sorted(g.get_all_collection_keys()):
            if key == "cond_context":
                continue
            constant(out, "collection/" + key, np.array([item_name(i) for i in g.get_collection(key)], object))
        with tf.Session() as s:
            s.run(tf.local_variables_initializer())
            for k, feeds in enumerate(steps, 1):
                feed = {g.get_tensor_by_name(n + ":0"): v for n, v in feeds.items()}
                for n, v in sorted(feeds.items()):
                    constant(out, "step%d/feed/%s" % (k, n), np.asarray(v))
                for kind, some in zip(("fetch", "after"), fetches if isinstance(fetches, tuple) else (fetches,)):
                    for f, v in zip(some, s.run(some, feed)):
                        constant(out, "step%d/%s/%s" % (k, kind, f.op.name), np.asarray(v))
    with open("tests/layers/golden/%s.pb.gz" % program.__name__, "wb") as f:
        f.write(gzip.compress(out.SerializeToString(deterministic=True), 9, mtime=0))
    print(program.__name__, len(out.node), "nodes")


VALUES_ONLY = [losses_gradients] # 2.15's gradients are other nodes
PROGRAMS = [losses_gradients, losses_each, losses_weights, losses_reductions, losses_cross_entropy, losses_total, losses_in_cond,
            metrics_mean, metrics_pairs, metrics_count, metrics_thresholds, metrics_auc, metrics_resource, metrics_top_k,
            metrics_at_k]
for p in PROGRAMS:
    if len(sys.argv) < 2 or p.__name__ in sys.argv[1:]:
        make(p)
