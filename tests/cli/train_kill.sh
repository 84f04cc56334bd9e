#!/bin/sh
# Training is killed at random instants and resumed, again and again: there is always a checkpoint that restores, and it ends with
# the same bits as a run that nobody disturbed.
#     sh tests/cli/train_kill.sh BIN [ROUNDS]        (ROUNDS: $EK_KILL_ROUNDS, else 10)
set -u
bin=$1
rounds=${2:-${EK_KILL_ROUNDS:-10}}
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
steps=$((24 * rounds)) # so that every round finds something to do
train() { exec "$bin/evenkeel" train --steps $steps --save-every 3 --eval-every 50 --hold-out 500 --batch-size 20 --threads 1 --keep 2 "$@" > "$T/out" 2> "$T/err"; }

(train --logdir "$T/whole") || { cat "$T/err"; exit 1; }
began=0
k=0
while [ $k -lt "$rounds" ]; do
    k=$((k + 1))
    touch "$T/mark"
    train --logdir "$T/killed" --resume &
    pid=$!
    # Some at any instant, most while it steps and saves.
    waited=0
    while [ $((k % 5)) != 0 ] && ! [ "$T/killed/checkpoint" -nt "$T/mark" ] && [ $waited -lt 400 ]; do
        sleep 0.05
        waited=$((waited + 1))
    done
    sleep "0.$(od -An -N2 -tu2 /dev/urandom | awk '{ printf "%03d", $1 % 300 }')"
    kill -9 $pid 2> /dev/null
    wait $pid 2> /dev/null
    grep -q 'goes on from' "$T/err" && began=$((began + 1))
    if grep -q '^evenkeel train: [A-Z_]*:' "$T/err"; then
        echo "round $k:"
        cat "$T/err"
        exit 1
    fi
done
(train --logdir "$T/killed" --resume) || { cat "$T/err"; exit 1; }
for part in data-00000-of-00002 data-00001-of-00002; do
    cmp "$T/whole/model.ckpt-$steps.$part" "$T/killed/model.ckpt-$steps.$part" || exit 1
done
best=$(cd "$T/whole/best" && ls model.ckpt-*.index)
[ -e "$T/killed/best/$best" ] || { echo "best: $best is missing:"; ls "$T/killed/best"; exit 1; }
left=$(ls "$T/killed" | grep -c 'model.ckpt.*\.index')
[ "$left" = 2 ] || { echo "2 checkpoints should be left:"; ls "$T/killed"; exit 1; }
echo "$rounds rounds, $began of them went on from a checkpoint"
