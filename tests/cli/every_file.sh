#!/bin/sh
# Everything of the data folder that TensorFlow wrote is a MODEL, or data that is told what it is: inspect takes each, also as JSON.
#     sh tests/cli/every_file.sh COMMAND FOLDER
set -u
command=$1
folder=$2
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
list()
{
    find "$folder"/tf-files "$folder"/checkpoints "$folder"/misuse -name '*.index' ! -path '*/saved-model*' | sed 's/\.index$//'
    find "$folder"/saved-models "$folder"/tf-files -name saved_model.pb | sed 's/\/saved_model.pb$//'
    find "$folder"/tf-files "$folder"/tf-models "$folder"/misuse "$folder"/checkpoints "$folder"/trajectories -name '*.meta' -o -name '*.pb' ! -name saved_model.pb ! -name fingerprint.pb
    find "$folder"/checkpoints -name checkpoint | sed 's/\/checkpoint$//'
    find "$folder"/tf-files/tfrecord -name 'examples.tfrecord*'
    find "$folder"/tf-files "$folder"/events -name '*tfevents*'
    find "$folder"/mnist -name '*.gz'
    printf '%s\n' "$folder/tf-files/ckpt-v1/model.ckpt" "$folder/tf-files/ckpt-v1-sharded-slices/model.ckpt"
}
list > "$T/list"
n=0
failed=0
while read -r file; do
    n=$((n + 1))
    "$command" inspect "$file" > "$T/text" 2> "$T/err" && [ -s "$T/text" ] && [ ! -s "$T/err" ] &&
        "$command" inspect "$file" --json > "$T/json" 2> "$T/err" && [ -s "$T/json" ] && [ ! -s "$T/err" ] && continue
    echo "$file: $(cat "$T/err")"
    failed=$((failed + 1))
done < "$T/list"
echo "$n files, $failed failed"
[ $failed = 0 ] && [ $n -gt 100 ]
