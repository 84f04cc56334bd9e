#!/bin/sh
# What `make demo` shows: the article's program beside TensorFlow's numbers, a frozen graph from the command line, the batch
# norm in it and what the planner makes of that, and a network that is trained to read digits, with all
# that training leaves behind.
#     sh tools/demo.sh BUILD
set -eu
cd "$(dirname "$0")/.."
build=$1

echo "== The article, step by step: what Evenkeel prints, beside what TensorFlow prints"
"$build/examples/article"
echo
echo "== A graph that TensorFlow froze (examples/data/small_frozen.pb)"
PATH=$build:$PATH
show() {
    echo "\$ $*"
    env "$@"
}
show evenkeel run examples/data/small_frozen.pb --feed x=examples/data/small_frozen_x.npy --fetch y
echo "TensorFlow 2.15 gave"
sed 's/^/    /' examples/data/small_frozen_y.txt
echo
echo "== The batch norm in it, found by what it computes"
show evenkeel inspect examples/data/small_frozen.pb --sites
echo
echo "== What the planner makes of it, for 64 rows"
show EK_LOG=fuse evenkeel run examples/data/small_frozen.pb --feed x=examples/data/small_frozen_rows.npy --fetch "y=$build/demo_y.npy" 2>&1
echo
echo "== Training from the command line: 784-100-100-100-10 with batch norm learns to read drawn digits"
rm -rf "$build/demo"
mkdir "$build/demo"
show evenkeel train --model mlp --data digits --steps 3000 --eval-every 500 --logdir "$build/demo/run" --export "$build/demo/model"
echo
echo "== What it left in $build/demo (older checkpoints not listed): a checkpoint, a SavedModel, events for TensorBoard, curves as pictures"
(cd "$build/demo" && find . -name 'model.ckpt-[0-2]*' -prune -o -type f -print | LC_ALL=C sort)
echo
echo "== The same network in C, and what becomes of it when the update ops are forgotten (examples/digits.c)"
"$build/examples/digits" 2>&1
