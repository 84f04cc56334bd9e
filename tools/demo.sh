#!/bin/sh
# What `make demo` shows: the article's program beside TensorFlow's numbers, and a frozen graph from the command line.
#     sh tools/demo.sh BUILD
set -eu
cd "$(dirname "$0")/.."
build=$1

echo "== The article, step by step: what Evenkeel prints, beside what TensorFlow prints"
"$build/examples/article"
echo
echo "== A graph that TensorFlow froze (examples/data/small_frozen.pb)"
command="evenkeel run examples/data/small_frozen.pb --feed x=examples/data/small_frozen_x.npy --fetch y"
echo "\$ $command"
PATH=$build:$PATH $command
echo "TensorFlow 2.15 gave"
sed 's/^/    /' examples/data/small_frozen_y.txt
