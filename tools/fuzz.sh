#!/bin/sh
# Runs every fuzzer of a folder on its corpus for so many seconds, as many at once as there are processors:
#     sh tools/fuzz.sh FOLDER SECONDS [JOBS]
# FUZZ_SEED=N makes a run repeatable where the machine's speed allows; otherwise each run searches elsewhere.
# What they find new stays in FOLDER/found; a crash is kept as FOLDER/crash-*, to become a file of fuzz/corpus/.
set -eu
folder=$1
seconds=$2
jobs=${3:-1}
root=$(cd "$(dirname "$0")/.." && pwd)
export folder seconds root
ls "$folder" | grep '^fuzz_' | xargs -P "$jobs" -I{} sh -c '
    name=$(echo "{}" | sed s/^fuzz_//)
    mkdir -p "$folder/found/$name"
    if ASAN_OPTIONS=allocator_may_return_null=1 "$folder/{}" -seed="${FUZZ_SEED:-0}" -max_total_time="$seconds" -rss_limit_mb=4096 -timeout=20 \
        -max_len=65536 -artifact_prefix="$folder/crash-$name-" "$folder/found/$name" "$root/fuzz/corpus/$name" \
        > "$folder/$name.log" 2>&1; then
        echo "$name: $(grep "^Done" "$folder/$name.log")"
    else
        cat "$folder/$name.log"
        echo "$name: FAILED"
        exit 255
    fi'
