#!/bin/sh
# Whether a shared library exports exactly the functions that the public headers declare: sh check_exports.sh CC LIB INCLUDE
set -eu
shown=$(nm -D --defined-only "$2" | awk '{ print $NF }' | LC_ALL=C sort)
declared=$(echo '#include "evenkeel/evenkeel.h"' | "$1" -E -P -xc -I "$3" - | tr '\n' ' ' |
    sed 's/__attribute__((visibility("default")))/\n/g' |
    sed -n 's/^[^(;]*[ *]\(ek_[a-z0-9_]*\)(.*/\1/p; s/^ *__attribute__((warn_unused_result))[^(;]*[ *]\(ek_[a-z0-9_]*\)(.*/\1/p' |
    LC_ALL=C sort -u)
status=0
for name in $shown; do
    echo "$declared" | grep -qx "$name" || { echo "exported, but in no header: $name"; status=1; }
done
for name in $declared; do
    echo "$shown" | grep -qx "$name" || { echo "declared, but not in the library: $name"; status=1; }
done
exit $status
