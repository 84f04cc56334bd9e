"""The peers of bench/train: the same training steps in PyTorch and TensorFlow, timed when asked.

    python train_peers.py torch|tf|keras THREADS

Says "ready PEER ..." once its library is loaded, then answers lines on its input:
    time PEER MODEL STEPS    the microseconds a step of that many; the first time a model is asked for it is made and warmed up
    peak MODEL               (tf) the bytes that its allocator held at most during a step, beyond those it held before it
An answer of 0 says that the peer cannot do it. One process per library and number of threads: a process has one pool.
TF_ENABLE_ONEDNN_OPTS in the environment decides whether TensorFlow uses its oneDNN.

The models: 784-100-100-100-10 with batch norm and sigmoid, batch 60, by gradient descent (mlp) or Adam (mlp_adam); three 3x3
convolutions (16, 32, 64 filters, strides 1, 2, 2) with batch norm and ReLU over 32x32x3, batch 128, by gradient descent
(convnet); ResNet-20 of CIFAR with 1x1 shortcuts where the shape changes, batch 32, by momentum (resnet20). A library that offers
several ways to say the same (layouts, train_on_batch and fit) tries each once and is timed with the fastest.
"""
import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

SHAPES = {"mlp": (60, 784), "mlp_adam": (60, 784), "convnet": (128, 32, 32, 3), "resnet20": (32, 32, 32, 3)}
CONVNET = ((16, 1), (32, 2), (64, 2))
STAGES = ((16, 1), (32, 2), (64, 2))
BLOCKS = 3
WARM_UP = 5


def per_step(run, n):
    start = time.perf_counter()
    run(n)
    return (time.perf_counter() - start) / n


def fastest(ways):
    """The fastest of a few functions that run n steps, each warmed up; those that fail are left out."""
    best, best_time = None, None
    for way in ways:
        try:
            run = way()
            run(WARM_UP)
            t = min(per_step(run, 3) for _ in range(3))
        except Exception as e:  # a way that this version does not have
            print("left out:", type(e).__name__, str(e)[:200], file=sys.stderr)
            continue
        if best is None or t < best_time:
            best, best_time = run, t
    return best


# ---- TensorFlow, graphs -----------------------------------------------------------------------------


class Graphs:
    """Session.run and make_callable."""
    names = ("session", "callable")

    def __init__(self, threads):
        import numpy as np
        import tensorflow as tf
        self.np, self.tf, self.threads = np, tf, threads
        tf.compat.v1.disable_v2_behavior()
        self.made = {}
        for model in SHAPES:
            self.made[model] = self.session(model)

    def mlp(self, x):
        v1 = self.tf.compat.v1
        for _ in range(3):
            x = self.tf.nn.sigmoid(v1.layers.batch_normalization(v1.layers.dense(x, 100), training=True))
        return x

    def conv_bn(self, x, filters, kernel, stride):
        v1 = self.tf.compat.v1
        x = v1.layers.conv2d(x, filters, kernel, stride, padding="same", use_bias=False)
        return v1.layers.batch_normalization(x, training=True)

    def convnet(self, x):
        for filters, stride in CONVNET:
            x = self.tf.nn.relu(self.conv_bn(x, filters, 3, stride))
        return self.tf.reduce_mean(x, [1, 2])

    def resnet20(self, x):
        relu = self.tf.nn.relu
        x = relu(self.conv_bn(x, 16, 3, 1))
        for filters, first in STAGES:
            for block in range(BLOCKS):
                stride = first if block == 0 else 1
                shortcut = x if stride == 1 else self.conv_bn(x, filters, 1, stride)
                y = relu(self.conv_bn(x, filters, 3, stride))
                x = relu(self.conv_bn(y, filters, 3, 1) + shortcut)
        return self.tf.reduce_mean(x, [1, 2])

    def session(self, model):
        tf, v1 = self.tf, self.tf.compat.v1
        shape = SHAPES[model]
        with tf.Graph().as_default():
            v1.set_random_seed(1)
            x = v1.placeholder(tf.float32, [None] + list(shape[1:]), name="x")
            labels = v1.placeholder(tf.int64, [None], name="labels")
            logits = v1.layers.dense(getattr(self, model.replace("_adam", ""))(x), 10, name="logits")
            loss = v1.identity(v1.losses.sparse_softmax_cross_entropy(labels, logits), name="loss")
            how = {"mlp_adam": v1.train.AdamOptimizer(), "resnet20": v1.train.MomentumOptimizer(0.1, 0.9)}
            with tf.control_dependencies(v1.get_collection(v1.GraphKeys.UPDATE_OPS)):
                how.get(model, v1.train.GradientDescentOptimizer(0.1)).minimize(loss, name="train")
            init = v1.global_variables_initializer()
            config = v1.ConfigProto(intra_op_parallelism_threads=self.threads, inter_op_parallelism_threads=self.threads)
            s = v1.Session(config=config)
            s.run(init)
        return s

    def data(self, model):
        np = self.np
        shape = SHAPES[model]
        return np.random.RandomState(1).standard_normal(shape).astype(np.float32), np.arange(shape[0]) % 10

    def prepare(self, name, model):
        s = self.made[model]
        x, labels = self.data(model)
        call = s.make_callable(["loss:0", "train"], feed_list=["x:0", "labels:0"])

        def by_callable(n):
            for _ in range(n):
                call(x, labels)

        def by_run(n):
            for _ in range(n):
                s.run(["loss:0", "train"], {"x:0": x, "labels:0": labels})
        return fastest([lambda: by_run if name == "session" else by_callable])

    def peak(self, model):
        """From the allocations and releases that a traced step records, in the order of their times."""
        v1 = self.tf.compat.v1
        x, labels = self.data(model)
        options = v1.RunOptions(trace_level=v1.RunOptions.FULL_TRACE)
        seen = []
        for _ in range(5):
            about = v1.RunMetadata()
            self.made[model].run(["loss:0", "train"], {"x:0": x, "labels:0": labels}, options=options, run_metadata=about)
            records = [(r.alloc_micros, r.alloc_bytes) for device in about.step_stats.dev_stats for node in device.node_stats
                       for memory in node.memory for r in memory.allocation_records]
            held = most = 0
            for _, size in sorted(records):
                held += size
                most = max(most, held)
            seen.append(most)
        return sorted(seen)[len(seen) // 2]


# ---- TensorFlow, Keras ------------------------------------------------------------------------------


class Keras:
    """model.train_on_batch and fit, whichever is faster."""
    names = ("keras",)

    def __init__(self, threads):
        import numpy as np
        import tensorflow as tf
        self.np, self.tf = np, tf
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)

    def conv_bn(self, x, filters, kernel, stride):
        layers = self.tf.keras.layers
        return layers.BatchNormalization()(layers.Conv2D(filters, kernel, stride, padding="same", use_bias=False)(x))

    def body(self, model, x):
        keras = self.tf.keras
        if model.startswith("mlp"):
            for _ in range(3):
                x = keras.activations.sigmoid(keras.layers.BatchNormalization()(keras.layers.Dense(100)(x)))
            return x
        if model == "convnet":
            for filters, stride in CONVNET:
                x = keras.layers.ReLU()(self.conv_bn(x, filters, 3, stride))
            return keras.layers.GlobalAveragePooling2D()(x)
        x = keras.layers.ReLU()(self.conv_bn(x, 16, 3, 1))
        for filters, first in STAGES:
            for block in range(BLOCKS):
                stride = first if block == 0 else 1
                shortcut = x if stride == 1 else self.conv_bn(x, filters, 1, stride)
                y = keras.layers.ReLU()(self.conv_bn(x, filters, 3, stride))
                x = keras.layers.ReLU()(self.conv_bn(y, filters, 3, 1) + shortcut)
        return keras.layers.GlobalAveragePooling2D()(x)

    def prepare(self, name, model):
        keras, np, shape = self.tf.keras, self.np, SHAPES[model]
        x = np.random.RandomState(1).standard_normal(shape).astype(np.float32)
        labels = np.arange(shape[0]) % 10
        inputs = keras.Input(shape[1:])
        net = keras.Model(inputs, keras.layers.Dense(10)(self.body(model, inputs)))
        how = {"mlp_adam": keras.optimizers.Adam(), "resnet20": keras.optimizers.SGD(0.1, 0.9)}
        net.compile(how.get(model, keras.optimizers.SGD(0.1)), keras.losses.SparseCategoricalCrossentropy(from_logits=True))

        def by_batch(n):
            for _ in range(n):
                net.train_on_batch(x, labels)

        def by_fit(n):
            batches = self.tf.data.Dataset.from_tensors((x, labels)).cache().repeat(n)
            net.fit(batches, epochs=1, verbose=0)
        return fastest([lambda: by_batch, lambda: by_fit])


# ---- PyTorch -----------------------------------------------------------------------------------------


class Torch:
    """Eager and torch.compile, images in either layout."""
    names = ("eager", "compiled")

    def __init__(self, threads):
        import torch
        self.torch, self.threads = torch, threads
        torch.set_num_threads(threads)
        torch.set_num_interop_threads(1)
        torch.manual_seed(1)

    def conv_bn(self, before, filters, kernel, stride):
        nn = self.torch.nn
        return nn.Sequential(nn.Conv2d(before, filters, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(filters))

    def net(self, model):
        nn = self.torch.nn
        if model.startswith("mlp"):
            hidden = [layer for before in (784, 100, 100)
                      for layer in (nn.Linear(before, 100), nn.BatchNorm1d(100), nn.Sigmoid())]
            return nn.Sequential(*hidden, nn.Linear(100, 10))
        tail = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)]
        if model == "convnet":
            before, parts = 3, []
            for filters, stride in CONVNET:
                parts += [self.conv_bn(before, filters, 3, stride), nn.ReLU(inplace=True)]
                before = filters
            return nn.Sequential(*parts, *tail)
        conv_bn = self.conv_bn

        class Block(nn.Module):
            def __init__(self, before, filters, stride):
                super().__init__()
                self.first, self.second = conv_bn(before, filters, 3, stride), conv_bn(filters, filters, 3, 1)
                self.shortcut = nn.Identity() if stride == 1 else conv_bn(before, filters, 1, stride)
                self.relu = nn.ReLU(inplace=True)

            def forward(self, x):
                return self.relu(self.second(self.relu(self.first(x))) + self.shortcut(x))
        before, parts = 16, [conv_bn(3, 16, 3, 1), nn.ReLU(inplace=True)]
        for filters, first in STAGES:
            for block in range(BLOCKS):
                parts.append(Block(before, filters, first if block == 0 else 1))
                before = filters
        return nn.Sequential(*parts, *tail)

    def trainer(self, name, model, channels_last):
        torch, shape = self.torch, SHAPES[model]
        net = self.net(model).train()
        if len(shape) == 4:
            x = torch.randn(shape[0], shape[3], shape[1], shape[2])
            if channels_last:
                net, x = net.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
        else:
            x = torch.randn(*shape)
        labels = torch.arange(shape[0]) % 10
        weights = net.parameters()
        optimizer = (torch.optim.Adam(weights, 0.001) if model == "mlp_adam" else
                     torch.optim.SGD(weights, 0.1, 0.9 if model == "resnet20" else 0))

        def loss_of(x, labels):
            return torch.nn.functional.cross_entropy(net(x), labels)
        update = optimizer.step
        if name == "compiled":
            loss_of, update = torch.compile(loss_of), torch.compile(optimizer.step)

        def run(n):
            for _ in range(n):
                optimizer.zero_grad(set_to_none=True)
                loss = loss_of(x, labels)
                loss.backward()
                update()
                loss.item()
        return run

    def prepare(self, name, model):
        layouts = (True, False) if len(SHAPES[model]) == 4 else (False,)
        return fastest([lambda last=last: self.trainer(name, model, last) for last in layouts])


def main():
    kind, threads = sys.argv[1], int(sys.argv[2])
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what the libraries say is no answer
    try:
        peer = {"tf": Graphs, "keras": Keras, "torch": Torch}[kind](threads)
    except ImportError as e:
        print("not here:", e, file=sys.stderr)
        sys.exit(3)
    print("ready", *peer.names, file=answers)
    ready = {}
    for line in sys.stdin:
        what, *words = line.split()
        if what == "peak":
            print(peer.peak(words[0]), file=answers)
            continue
        key = (words[0], words[1])
        if key not in ready:
            ready[key] = peer.prepare(*key)
        print(per_step(ready[key], int(words[2])) * 1e6 if ready[key] is not None else 0, file=answers)


main()
