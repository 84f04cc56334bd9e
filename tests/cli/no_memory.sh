#!/bin/sh
# The command with its allocation 1, 2, 3 ... refused: it ends with status 1 and a complaint and prints no half result.
#     sh tests/cli/no_memory.sh BIN SHIM        (from the root of the tree; SHIM is what refuses, for LD_PRELOAD)
set -u
bin=$1
shim=$2
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
failed=0
while read -r command; do
    "$bin/evenkeel" $command > "$T/whole" 2> /dev/null
    k=0
    passed=0
    while [ $passed -lt 8 ] && [ $k -lt 2000 ]; do # a few refusals change nothing, as where a text is kept for later
        k=$((k + 1 + (k > 300) * 6)) # of the many behind the first, every seventh
        FAIL_AT=$k LD_PRELOAD=$shim "$bin/evenkeel" $command > "$T/out" 2> "$T/err"
        status=$?
        if [ $status = 0 ] && cmp -s "$T/out" "$T/whole"; then
            passed=$((passed + 1))
        elif [ $status = 1 ] && [ -s "$T/err" ] && [ ! -s "$T/out" ]; then
            passed=0
        else
            echo "allocation $k refused, evenkeel $command: status $status, $(wc -c < "$T/out") bytes of result," \
                "complaint: $(head -c 300 "$T/err")"
            failed=1
        fi
    done
    echo "$k allocations: evenkeel $command"
done <<END
run examples/data/small_frozen.pb --feed x=examples/data/small_frozen_x.npy --fetch y
run examples/data/small_frozen.pb --feed x=[[1,2,3]] --fetch y=$T/y.npy --json
run tests/cli/data/mixed.pbtxt --json
inspect tests/cli/data/mixed.pbtxt --ops --json
dot tests/cli/data/mixed.pbtxt
dot examples/data/small_frozen.pb --sites
inspect tests/cli/data/saved_model --json
inspect tests/cli/data/saved_model/variables/variables
inspect fuzz/corpus/npz/stored.npz
inspect fuzz/corpus/record/plain --json
run tests/cli/data/saved_model --feed features=[[1,2,3]]
train tests/cli/data/trained.meta --train-op train --feed x=tests/cli/data/trained_x.npy --feed labels=tests/cli/data/trained_labels.npy --steps 2 --fetch loss --save $T/model
END
exit $failed
