#!/usr/bin/env python3
"""Writes tests/layers/golden/*.pb: graphs of layers as TensorFlow 1.15 builds them, with values that TensorFlow computed.

    TF_ENABLE_ONEDNN_OPTS=0 python tools/make_layer_goldens.py REGISTRY OUT [CASE ...]

Needs TensorFlow 2.15 (its v1 interface). REGISTRY is the op registry of 1.15 (ops.pbtxt). Where 2.15's layers build other
nodes than 1.15's, 1.15's own way is written down here (class Conv and below); variables, scopes, names and everything
under tf.nn come from 2.15, which did not change them. A file is a GraphDef: the nodes of the case, then Consts `feed/P`
(what placeholder P is fed) and `expect/V` (what the tensor named V gives, `:` as `_`), floats of float32.
"""
import os
import sys

os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'
import numpy as np
import tensorflow as tf2
from google.protobuf import text_format
from tensorflow.core.framework import op_def_pb2
from tensorflow.python.framework import random_seed, smart_cond, tensor_util
from tensorflow.python.ops import nn_ops
from keras.src import backend
from keras.src.layers.convolutional import base_conv, conv1d, conv2d_transpose, conv3d_transpose
from keras.src.layers.core import dense
from keras.src.layers.regularization import dropout
from keras.src.layers.reshaping import flatten
from keras.src.utils import conv_utils

tf = tf2.compat.v1
tf.disable_v2_behavior()
layers = tf.layers

# ---- what 1.15 does otherwise ------------------------------------------------------------------------------


def conv1d_115(value, filters, stride, padding, data_format, name=None):
    with tf.name_scope(name, 'conv1d', [value, filters]) as name:
        if data_format in (None, 'NHWC', 'NWC'):
            data_format, start, strides = 'NHWC', 1, [1, 1, stride, 1]
        else:
            data_format, start, strides = 'NCHW', 2, [1, 1, 1, stride]
        value = tf.expand_dims(value, start)
        filters = tf.expand_dims(filters, 0)
        result = tf.raw_ops.Conv2D(input=value, filter=filters, strides=strides, padding=padding, data_format=data_format,
                                   name=name)
        return tf.squeeze(result, [start])


def conv_build(self, input_shape):
    input_shape = tf.TensorShape(input_shape)
    channels = self._get_input_channel(input_shape)
    self.kernel = self.add_weight(name='kernel', shape=self.kernel_size + (channels, self.filters),
                                  initializer=self.kernel_initializer, regularizer=self.kernel_regularizer,
                                  constraint=self.kernel_constraint, trainable=True, dtype=self.dtype)
    self.bias = None
    if self.use_bias:
        self.bias = self.add_weight(name='bias', shape=(self.filters,), initializer=self.bias_initializer,
                                    regularizer=self.bias_regularizer, constraint=self.bias_constraint, trainable=True,
                                    dtype=self.dtype)
    padding = 'VALID' if self.padding == 'causal' else self.padding.upper()
    self._convolution_op = nn_ops.Conv15(input_shape, filter_shape=self.kernel.shape, dilation_rate=self.dilation_rate,
                                         strides=self.strides, padding=padding,
                                         data_format=conv_utils.convert_data_format(self.data_format, self.rank + 2))
    self.built = True


def conv_call(self, inputs):
    if self.padding == 'causal':
        inputs = tf.pad(inputs, self._compute_causal_padding(inputs))
    outputs = self._convolution_op(inputs, self.kernel)
    if self.use_bias:
        if self.data_format == 'channels_first' and self.rank == 1:
            outputs += tf.reshape(self.bias, (1, self.filters, 1))
        else:
            outputs = tf.nn.bias_add(outputs, self.bias,
                                     data_format='NCHW' if self.data_format == 'channels_first' else 'NHWC')
    return self.activation(outputs) if self.activation is not None else outputs


class Conv15(nn_ops.Convolution):
    def _build_op(self, _, padding):
        if self.num_spatial_dims == 1:
            return lambda inp, filter: conv1d_115(inp, filter, self.strides[0], padding, self.data_format)
        return super()._build_op(_, padding)


def tensordot_115(a, b, last):
    def reshape(a, axes, flipped=False):
        rank = a.get_shape().ndims
        free = [i for i in range(rank) if i not in axes]
        if a.get_shape().is_fully_defined():
            shape = a.get_shape().as_list()
            free_dims = [shape[i] for i in free]
            rows, columns = int(np.prod(free_dims)), int(np.prod([shape[i] for i in axes]))
            perm, new = (axes + free, [columns, rows]) if flipped else (free + axes, [rows, columns])
            return tf.reshape(tf.transpose(a, perm), new), free_dims, free_dims
        static = [a.get_shape().as_list()[i] for i in free]
        axes = tf.convert_to_tensor(axes, dtype=tf.int32, name='axes')
        free = tf.convert_to_tensor(free, dtype=tf.int32, name='free')
        shape = tf.shape(a)
        free_dims = tf.gather(shape, free)
        axes_dims = tf.gather(shape, axes)
        rows = tf.reduce_prod(free_dims)
        columns = tf.reduce_prod(axes_dims)
        perm = tf.concat([free, axes], 0)
        new = tf.stack([rows, columns])
        return tf.reshape(tf.transpose(a, perm), new), free_dims, static

    with tf.name_scope(None, 'Tensordot') as name:
        a, b = tf.convert_to_tensor(a, name='a'), tf.convert_to_tensor(b, name='b')
        x, x_free, x_static = reshape(a, [last])
        y, y_free, y_static = reshape(b, [0], True)
        xy = tf.matmul(x, y)
        if isinstance(x_free, list):
            return tf.reshape(xy, x_free + y_free, name=name)
        x_free = tf.convert_to_tensor(x_free, dtype=tf.int32)
        y_free = tf.convert_to_tensor(y_free, dtype=tf.int32)
        z = tf.reshape(xy, tf.concat([x_free, y_free], 0), name=name)
        z.set_shape(x_static + y_static)
        return z


def dense_call(self, inputs):
    rank = len(inputs.shape)
    if rank > 2:
        outputs = tensordot_115(inputs, self.kernel, rank - 1)
    else:
        outputs = tf.raw_ops.MatMul(a=inputs, b=self.kernel)
    if self.use_bias:
        outputs = tf.nn.bias_add(outputs, self.bias)
    return self.activation(outputs) if self.activation is not None else outputs


def random_uniform(shape, seed, dtype):
    with tf.name_scope(None, 'random_uniform') as name:
        shape = tf.convert_to_tensor(shape, dtype=tf.int32, name='shape')
        low = tf.convert_to_tensor(0, dtype=dtype, name='min')
        high = tf.convert_to_tensor(1, dtype=dtype, name='max')
        seed1, seed2 = random_seed.get_seed(seed)
        raw = tf.raw_ops.RandomUniform(shape=shape, dtype=dtype, seed=seed1, seed2=seed2)
        return tf.add(raw * (high - low), low, name=name)


def nn_dropout(x, rate, noise_shape=None, seed=None, name=None):
    with tf.name_scope(name, 'dropout', [x]):
        if isinstance(rate, (int, float)) and rate == 0:
            return x
        rate = tf.convert_to_tensor(rate, dtype=x.dtype, name='rate')
        if noise_shape is None:
            noise_shape = tf.shape(x)
        elif not tf.is_tensor(noise_shape):
            noise_shape = [d if n is None else n for d, n in zip(x.shape.as_list(), noise_shape)]
        drawn = random_uniform(noise_shape, seed, x.dtype)
        keep_prob = 1 - rate
        scale = 1 / keep_prob
        keep = drawn >= rate
        return x * scale * tf.cast(keep, x.dtype)


def dropout_call(self, inputs, training=False):
    def drop():
        return nn_dropout(inputs, self.rate, self.noise_shape, self.seed)

    return smart_cond.smart_cond(training, drop, lambda: tf.identity(inputs))


def flatten_call(self, inputs):
    if self.data_format == 'channels_first' and inputs.shape.rank > 1:
        inputs = tf.transpose(inputs, [0] + list(range(2, inputs.shape.rank)) + [1])
    outputs = tf.reshape(inputs, (inputs.shape.as_list()[0] or tf.shape(inputs)[0], -1))
    outputs.set_shape(self.compute_output_shape(inputs.get_shape()))
    return outputs


def transpose_call(n):
    """Conv2DTranspose, Conv3DTranspose: sizes are computed in the graph, known or not."""
    def call(self, inputs):
        shape = tf.shape(inputs)
        batch = shape[0]
        first = 2 if self.data_format == 'channels_first' else 1
        image = [shape[first + i] for i in range(n)]
        size = [conv_utils.deconv_output_length(image[i], self.kernel_size[i], padding=self.padding, output_padding=None,
                                                stride=self.strides[i]) for i in range(n)]
        to = [batch, self.filters] + size if first == 2 else [batch] + size + [self.filters]
        to = tf.stack(to)
        if n == 2:
            outputs = backend.conv2d_transpose(inputs, self.kernel, to, strides=self.strides, padding=self.padding,
                                               data_format=self.data_format)
        else:
            strides = (1, 1) + self.strides if first == 2 else (1,) + self.strides + (1,)
            outputs = tf.nn.conv3d_transpose(inputs, self.kernel, to, strides, padding=self.padding.upper(),
                                             data_format=conv_utils.convert_data_format(self.data_format, ndim=5))
        outputs.set_shape(self.compute_output_shape(inputs.shape))
        if self.use_bias:
            outputs = tf.nn.bias_add(outputs, self.bias,
                                     data_format=conv_utils.convert_data_format(self.data_format, ndim=4))
        return self.activation(outputs) if self.activation is not None else outputs
    return call


def l1_l2(l1=0.0, l2=0.0):
    def loss(x):
        total = 0.0
        if l1:
            total += np.float32(l1) * tf.reduce_sum(tf.abs(x))
        if l2:
            total += np.float32(l2) * tf.reduce_sum(tf.square(x))
        return total
    return loss


def get_seed(op_seed, original=random_seed.get_seed):
    """With a graph seed alone, the number of operations so far."""
    if op_seed is None and tf.get_default_graph().seed is not None:
        return tf.get_default_graph().seed, len(tf.get_default_graph().get_operations())
    return original(op_seed)


random_seed.get_seed = get_seed
backend._LOCAL_DEVICES = []  # else Keras asks a session which there are, and that adds nodes
nn_ops.Conv15 = Conv15
base_conv.Conv.build, base_conv.Conv.call = conv_build, conv_call
dense.Dense.call = dense_call
dropout.Dropout.call = dropout_call
flatten.Flatten.call = flatten_call
conv2d_transpose.Conv2DTranspose.call = transpose_call(2)
conv3d_transpose.Conv3DTranspose.call = transpose_call(3)

# Keras's constraints: its square root and clip() have Consts of their own.


def k_clip(x, least, most):
    least = tf.constant(least, dtype=x.dtype)
    most = tf.constant(most, dtype=x.dtype)
    return tf.clip_by_value(x, least, most)


def k_norms(w, axis):
    return tf.sqrt(k_clip(tf.reduce_sum(tf.square(w), axis=axis, keepdims=True), 0.0, np.inf))


def max_norm(w, most, axis=0):
    n = k_norms(w, axis)
    desired = k_clip(n, 0, most)
    return w * (desired / (1e-7 + n))


def unit_norm(w, axis=0):
    return w / (1e-7 + k_norms(w, axis))


def min_max_norm(w, least, most, rate, axis=0):
    n = k_norms(w, axis)
    desired = rate * k_clip(n, least, most) + (1 - rate) * n
    return w * (desired / (1e-7 + n))


def identity_initializer(gain=1.0):
    def value(shape, dtype, partition_info=None):
        with tf.name_scope('eye'):
            ones = tf.ones([min(shape)], dtype)
            if shape[0] == shape[1]:
                eye = tf.raw_ops.MatrixDiag(diagonal=ones, name='diag')
            else:
                eye = tf.raw_ops.MatrixSetDiag(input=tf.zeros(shape, dtype), diagonal=ones, name='set_diag')
        return gain * eye
    return value


# ---- cases: each returns what is fetched ---------------------------------------------------------------------


def image(*shape, dtype=tf.float32, name='x'):
    return tf.placeholder(dtype, list(shape), name=name)


CASES = {}
NO_VALUES = set()  # a processor does not compute them in TensorFlow


def case(f):
    CASES[f.__name__] = f
    return f


def nodes_only(f):
    NO_VALUES.add(f.__name__)
    return case(f)


# What is fed where a dimension is unknown: of a batch, of an image.
BATCH, IMAGE = 2, 7


@case
def dense_rank3():
    return [layers.dense(image(2, 3, 4), 5, activation=tf.nn.tanh)]


@case
def dense_rank3_unknown():
    return [layers.dense(image(None, 3, 4), 5, use_bias=False), layers.dense(image(None, None, 2, 3, name='z'), 2)]


@case
def dense_options():
    x = image(None, 4)
    l2 = l1_l2(l2=0.01)
    a = layers.dense(x, 3, activation=tf.nn.relu, kernel_initializer=tf.random_normal_initializer(stddev=0.5),
                     bias_initializer=tf.constant_initializer(0.25), kernel_regularizer=l2, bias_regularizer=l2,
                     activity_regularizer=l1_l2(0.1, 0.2), name='a')
    b = layers.dense(x, 3, trainable=False, name='b')
    c = layers.dense(x, 3, name='b', reuse=True)
    d = layers.dense(image(2, 4, name='z'), 3, activation=tf.nn.softmax, name='b', reuse=tf.AUTO_REUSE,
                     activity_regularizer=lambda y: tf.reduce_max(y))
    return [a, b, c, d] + tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES)


@case
def dense_resource():
    with tf.variable_scope('r', use_resource=True):
        return [layers.dense(image(None, 4), 3), layers.dense(image(1, 2, 4, name='z'), 3)]


@case
def dense_float64():
    return [layers.dense(image(None, 4, dtype=tf.float64), 3)]


@case
def conv1d():
    x = image(None, 7, 2)
    a = layers.conv1d(x, 3, 3, strides=2, padding='same', activation=tf.nn.relu)
    b = layers.conv1d(x, 3, 3, padding='causal', use_bias=False)
    return [a, b]


@nodes_only
def conv1d_channels_first():
    return [layers.conv1d(image(None, 2, 7), 3, 3, strides=2, data_format='channels_first')]


@case
def conv1d_dilated_causal():
    return [layers.conv1d(image(None, 7, 2), 3, 3, padding='causal', dilation_rate=2)]


@case
def conv1d_resource():
    with tf.variable_scope('r', use_resource=True):
        return [layers.conv1d(image(None, 7, 2), 3, 3)]


@case
def conv2d():
    x = image(None, 7, 6, 2)
    a = layers.conv2d(x, 3, (3, 2), strides=(2, 1), padding='SAME', activation=tf.nn.elu)
    b = layers.conv2d(x, 3, 3, kernel_regularizer=l1_l2(l2=0.01), use_bias=False)
    return [a, b]


@nodes_only
def conv2d_channels_first():
    return [layers.conv2d(image(None, 2, 7, 6), 3, 3, strides=2, data_format='channels_first')]


@case
def conv2d_dilated_same():
    return [layers.conv2d(image(None, 7, 6, 2), 3, 3, padding='same', dilation_rate=2, activation=tf.nn.relu)]


@case
def conv2d_dilated_unknown():
    x = image(None, None, None, 2)
    return [layers.conv2d(x, 3, (2, 3), dilation_rate=(2, 3)), layers.conv2d(x, 2, 2, padding='same', dilation_rate=2)]


@nodes_only
def conv2d_dilated_channels_first():
    a = layers.conv2d(image(None, 2, 7, 6), 3, 3, padding='same', dilation_rate=2, data_format='channels_first')
    b = layers.conv2d(image(None, 2, None, 6, name='z'), 3, 3, dilation_rate=2, data_format='channels_first')
    return [a, b]


@case
def conv3d():
    return [layers.conv3d(image(None, 4, 4, 3, 2), 2, (2, 3, 2), strides=(1, 2, 1), padding='same')]


@nodes_only
def conv3d_channels_first():
    return [layers.conv3d(image(None, 2, 4, 4, 3), 2, 2, data_format='channels_first')]


@case
def conv3d_dilated():
    return [layers.conv3d(image(1, 4, 4, 3, 1), 1, 2, dilation_rate=(2, 1, 1))]


@case
def conv2d_transpose_all():
    x = image(None, 3, 4, 2)
    a = layers.conv2d_transpose(x, 3, 3, strides=2, padding='same', activation=tf.nn.relu)
    b = layers.conv2d_transpose(image(None, None, 4, 2, name='z'), 2, (3, 2), strides=(2, 3), use_bias=False)
    return [a, b]


@case
def conv2d_transpose_channels_first():
    return [layers.conv2d_transpose(image(None, 2, 3, 4), 3, 3, strides=2, data_format='channels_first', use_bias=False)]


@case
def conv3d_transpose_all():
    return [layers.conv3d_transpose(image(1, 2, 3, 2, 2), 2, (2, 3, 2), strides=(2, 1, 2))]


@nodes_only
def conv3d_transpose_channels_first():
    return [layers.conv3d_transpose(image(1, 2, 2, 3, 2), 2, 2, padding='same', data_format='channels_first')]


@case
def separable_conv1d():
    x = image(None, 7, 2)
    a = layers.separable_conv1d(x, 3, 3, strides=2, padding='same', activation=tf.nn.relu)
    b = layers.separable_conv1d(x, 3, 2, padding='causal', dilation_rate=2, use_bias=False, depth_multiplier=2)
    return [a, b]


@case
def separable_conv2d():
    x = image(None, 6, 5, 2)
    a = layers.separable_conv2d(x, 3, 3, strides=2, padding='same', depth_multiplier=2,
                                depthwise_regularizer=l1_l2(l2=0.01), pointwise_regularizer=l1_l2(l1=0.01))
    b = layers.separable_conv2d(x, 3, (3, 2), dilation_rate=2, padding='same', name='dilated')
    return [a, b] + tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES)


@case
def separable_conv2d_resource():
    with tf.variable_scope('r', use_resource=True):
        return [layers.separable_conv2d(image(None, 6, 5, 2), 3, 3)]


@case
def depthwise():
    x, w = image(None, 6, 5, 2), image(3, 3, 2, 2, name='w')
    a = tf.nn.depthwise_conv2d(x, w, [1, 2, 2, 1], 'SAME')
    b = tf.nn.depthwise_conv2d(x, w, [1, 1, 1, 1], 'VALID', rate=[2, 1], name='dilated')
    return [a, b]


@case
def constraints():
    w = tf.get_variable('w', [3, 4], initializer=tf.random_normal_initializer())
    k = tf.get_variable('k', [2, 2, 3, 4], initializer=tf.random_normal_initializer())
    a = max_norm(w, 1.5)
    b = max_norm(k, 2, [0, 1, 2])
    c = unit_norm(w)
    d = min_max_norm(k, 0.5, 1.0, 0.9, 1)
    return [a, b, c, d]


@case
def orthogonal():
    def variable(name, shape, **args):
        return tf.get_variable(name, shape, initializer=tf.orthogonal_initializer(**args)).read_value()

    return [variable('tall', [5, 3]), variable('wide', [3, 5], gain=2.0, seed=3), variable('square', [24, 24], seed=4),
            variable('kernel', [2, 2, 3, 4]), variable('row', [1, 4]), variable('column', [4, 1])]


@case
def identity():
    def variable(name, shape, gain=1.0):
        return tf.get_variable(name, shape, initializer=identity_initializer(gain)).read_value()

    return [variable('square', [3, 3]), variable('tall', [4, 2], 0.5), variable('wide', [2, 3])]


@case
def pooling1d():
    x = image(None, 7, 2)
    return [layers.max_pooling1d(x, 3, 2), layers.average_pooling1d(x, 2, 2, padding='same'),
            layers.max_pooling1d(image(None, 2, 7, name='z'), 3, 2, data_format='channels_first')]


@case
def pooling2d():
    x = image(None, 7, 6, 2)
    return [layers.max_pooling2d(x, (2, 3), (2, 1), padding='same'), layers.average_pooling2d(x, 3, 2, padding='same'),
            layers.max_pooling2d(x, 2, 2, name='pool')]


@nodes_only
def pooling2d_channels_first():
    return [layers.max_pooling2d(image(None, 2, 7, 6), 2, 2, data_format='channels_first')]


@case
def pooling3d():
    x = image(None, 4, 4, 3, 2)
    return [layers.max_pooling3d(x, 2, 2), layers.average_pooling3d(x, (2, 3, 1), 1, padding='same'),
            layers.average_pooling3d(image(None, 2, 4, 4, 3, name='z'), 2, 2, data_format='channels_first')]


@case
def flatten_all():
    return [layers.flatten(image(None, 3, 2)), layers.flatten(image(2, None, 3, name='z')),
            layers.flatten(image(None, name='v')), layers.flatten(image(None, 3, 4, 2, name='f'), data_format='channels_first')]


@case
def dropout_layer():
    x = image(None, 4, 3)
    p = tf.placeholder_with_default(True, (), 'p')
    a = layers.dropout(x, 0.3, seed=7, training=True)
    b = layers.dropout(x, training=False)
    c = layers.dropout(x, 0.6, noise_shape=(2, 1, 3), seed=8, training=p)
    d = layers.dropout(image(2, 3, name='z'), 0.25, noise_shape=(None, 1), seed=9, training=True, name='d')
    e = layers.dropout(x, 0.0, training=True)
    return [a, b, c, d, e]


@case
def dropout_nn():
    x = image(None, 6)
    rate = tf.placeholder_with_default(0.5, (), 'rate')
    shape = tf.shape(image(None, 1, name='z'))
    a = nn_dropout(x, rate, seed=1)
    b = nn_dropout(x, 1.0 - 0.75, seed=2, name='keep')
    c = nn_dropout(x, 1.0 - rate, noise_shape=shape, seed=3)
    return [a, b, c]


# ---- writing ---------------------------------------------------------------------------------------------------


@case
def partitioned():
    fixed = tf.fixed_size_partitioner
    a = tf.get_variable('a', [5, 3], partitioner=fixed(3))
    b = tf.get_variable('b', [2, 5], partitioner=fixed(2, axis=1), initializer=tf.random_normal_initializer(stddev=0.5))
    with tf.variable_scope('s', partitioner=fixed(4), initializer=tf.ones_initializer()):
        c = tf.get_variable('c', [6])
        with tf.variable_scope('t', partitioner=tf.min_max_variable_partitioner(max_partitions=3, min_slice_size=16)):
            d = tf.get_variable('d', [4, 2])
        scalar = tf.get_variable('e', [])
        one = tf.get_variable('f', [3], dtype=tf.int32, initializer=tf.zeros_initializer(), partitioner=fixed(1))
    value = tf.get_variable('v', initializer=tf.constant(1.5, shape=[3, 2]), partitioner=fixed(2))
    joined = [tf.matmul(b, a), tf.convert_to_tensor(b), tf.convert_to_tensor(c), tf.identity(d), scalar + 1.0]
    return joined + [tf.convert_to_tensor(one), tf.convert_to_tensor(value)]


@case
def partitioned_resource():
    with tf.variable_scope('r', use_resource=True, partitioner=tf.fixed_size_partitioner(2)):
        w = tf.get_variable('w', [5, 3], initializer=tf.glorot_normal_initializer())
        one = tf.get_variable('one', [2], partitioner=tf.fixed_size_partitioner(1))
    with tf.variable_scope('r', reuse=True):
        again = tf.get_variable('w', [5, 3])
    return [tf.convert_to_tensor(w), tf.convert_to_tensor(one), tf.convert_to_tensor(again)]


@case
def partitioned_layers():
    with tf.variable_scope('p', partitioner=tf.fixed_size_partitioner(2)):
        y = layers.dense(image(2, 3), 4, kernel_regularizer=l1_l2(l2=0.01), activation=tf.nn.relu)
        z = layers.conv2d(image(2, 4, 4, 2, name='z'), 3, 3)
    return [y, z]


@case
def partitioned_batch_norm():
    with tf.variable_scope('p', partitioner=tf.fixed_size_partitioner(2)):
        return [layers.batch_normalization(image(4, 3), training=True)]


def registry(path):
    ops = op_def_pb2.OpList()
    text_format.Parse(open(path).read(), ops)
    return {op.name: {a.name for a in op.attr} for op in ops.op}


def as_115(graph, known):
    out = tf.GraphDef()
    out.versions.producer = 134
    for node in graph.as_graph_def().node:
        if node.op == 'AddV2' and node.name.split('/')[-1] in ('random_uniform', 'random_normal', 'truncated_normal'):
            node.op = 'Add'
        for key in list(node.attr):
            if not key.startswith('_') and key not in known[node.op] or key == '_output_shapes':
                del node.attr[key]
        node.ClearField('experimental_type')
        out.node.add().CopyFrom(node)
    return out


def value_node(out, name, value):
    node = out.node.add()
    node.op, node.name = 'Const', name
    node.attr['dtype'].type = tf.as_dtype(value.dtype).as_datatype_enum
    node.attr['value'].tensor.CopyFrom(tensor_util.make_tensor_proto(value))


def feed_of(t):
    shape = [d or (IMAGE if i > 0 else BATCH) for i, d in enumerate(t.shape.as_list())]
    n = int(np.prod(shape))
    return (((np.arange(n) * 37 + 11) % 101) / 50.0 - 1.0).reshape(shape).astype(t.dtype.as_numpy_dtype)


def write(name, known, out_dir):
    with tf.Graph().as_default() as g:
        tf.set_random_seed(42)
        results = CASES[name]()
        out = as_115(g, known)
        init = tf.global_variables_initializer()
        feed = {op.outputs[0]: feed_of(op.outputs[0]) for op in g.get_operations() if op.type == 'Placeholder'}
        for t, v in feed.items():
            value_node(out, 'feed/' + t.op.name, v)
        with tf.Session() as s:
            s.run(init)
            values = [] if name in NO_VALUES else s.run(results, feed)
        for t, v in zip(results, values):
            value_node(out, 'expect/' + t.name.replace(':', '_'), np.asarray(v))
    open(os.path.join(out_dir, name + '.pb'), 'wb').write(out.SerializeToString(deterministic=True))


def main():
    known = registry(sys.argv[1])
    for name in sys.argv[3:] or CASES:
        write(name, known, sys.argv[2])


if __name__ == '__main__':
    main()
