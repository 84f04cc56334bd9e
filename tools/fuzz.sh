#!/bin/sh
# Runs every fuzzer of a folder on its corpus for so many seconds: sh tools/fuzz.sh FOLDER SECONDS
# What they find new stays in FOLDER; a crash is kept there as crash-*, to become a file of fuzz/corpus/.
set -eu
folder=$1
seconds=$2
root=$(cd "$(dirname "$0")/.." && pwd)
for fuzzer in "$folder"/fuzz_*; do
    [ -x "$fuzzer" ] && [ ! -d "$fuzzer" ] || continue
    name=${fuzzer##*/fuzz_}
    mkdir -p "$folder/found/$name"
    echo "== $name: $seconds s"
    ASAN_OPTIONS=allocator_may_return_null=1 "$fuzzer" -max_total_time="$seconds" -rss_limit_mb=4096 -timeout=20 -print_final_stats=1 \
        -verbosity=0 -artifact_prefix="$folder/crash-$name-" "$folder/found/$name" "$root/fuzz/corpus/$name"
done
