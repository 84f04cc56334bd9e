#!/bin/sh
# Runs the commands of a transcript and prints the transcript that results; the test compares the two.
#     sh tests/cli/transcript.sh BIN FILE        (from the root of the tree; BIN is the folder of the command)
# A line "$ COMMAND" is run by the shell; after it come its standard output, its standard error as lines "! ...", and
# "? N" where it ended with a status N other than 0. Lines that begin with # are remarks. $T is an empty folder.
set -u
PATH=$1:$PATH
export PATH
T=$(mktemp -d)
export T
trap 'rm -rf "$T"' EXIT
grep -E '^(\$ |#)' "$2" | while IFS= read -r line; do
    printf '%s\n' "$line"
    case $line in
    '$ '*) ;;
    *) continue ;;
    esac
    sh -c "${line#??}" > "$T/.out" 2> "$T/.err" < /dev/null
    status=$?
    sed "s|$T|\$T|g" "$T/.out"
    sed "s|$T|\$T|g; s/^/! /" "$T/.err"
    [ $status = 0 ] || echo "? $status"
done
