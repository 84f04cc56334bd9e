#!/bin/sh
# Whether the objects of one CPU level define no global name but that level's: sh check_kernel_names.sh LEVEL OBJECT ...
set -eu
level=$1
shift
bad=$(nm --defined-only --extern-only --format=posix "$@" | awk -v p="^ek__${level}_" 'NF > 1 && $1 !~ p { print $1 }')
[ -z "$bad" ] && exit 0
echo "not of ek__${level}_:"
echo "$bad"
exit 1
