"""Makes tests/cli/data/trained.meta, a MetaGraph as TensorFlow 1's Saver exports it, and tests/cli/data/saved_model, with TensorFlow 2
(compat.v1):

    python3 tools/make_cli_models.py tests/cli/data

A small network with a batch norm. Its train op `train` runs the updates of the moving averages, `forgetful` does not.
"""
import os
import shutil
import sys

import numpy as np
import tensorflow.compat.v1 as tf

tf.disable_v2_behavior()
folder = sys.argv[1]


def network(x, training):
    h = tf.layers.dense(x, 4, use_bias=False, name='fc')
    h = tf.layers.batch_normalization(h, training=training, momentum=0.5, fused=False, name='norm')
    return tf.layers.dense(tf.nn.relu(h), 2, name='logits')


tf.set_random_seed(1)
x = tf.placeholder(tf.float32, [None, 3], name='x')
labels = tf.placeholder(tf.int64, [None], name='labels')
training = tf.placeholder_with_default(True, [], name='training')
logits = network(x, training)
loss = tf.losses.sparse_softmax_cross_entropy(labels, logits)
loss = tf.identity(loss, name='loss')
step = tf.train.get_or_create_global_step()
optimizer = tf.train.GradientDescentOptimizer(0.5)
gradients = optimizer.compute_gradients(loss)
forgetful = optimizer.apply_gradients(gradients, global_step=step, name='forgetful')
with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
    with tf.control_dependencies([forgetful]):
        train = tf.no_op(name='train')
tf.add_to_collection('train_op', train)
saver = tf.train.Saver()
saver.export_meta_graph(os.path.join(folder, 'trained.meta'), clear_devices=True, strip_default_attrs=True)

random = np.random.RandomState(3)
batches = random.randn(5, 16, 3).astype(np.float32)
np.save(os.path.join(folder, 'trained_x.npy'), batches)
np.save(os.path.join(folder, 'trained_labels.npy'), (batches[:, :, 0] > batches[:, :, 1]).astype(np.int64))

with tf.Graph().as_default(), tf.Session() as session:
    tf.set_random_seed(1)
    x = tf.placeholder(tf.float32, [None, 3], name='x')
    probabilities = tf.nn.softmax(network(x, False), name='probabilities')
    session.run(tf.global_variables_initializer())
    session.run([v.assign(np.linspace(0.5, 2, 4)) for v in tf.global_variables() if 'moving_variance' in v.name])
    shutil.rmtree(os.path.join(folder, 'saved_model'), ignore_errors=True)
    tf.saved_model.simple_save(session, os.path.join(folder, 'saved_model'), {'features': x}, {'classes': probabilities})
