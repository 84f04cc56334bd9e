#!/bin/sh
# Shows that tools/check_floors.awk passes what is right and catches each kind of what is wrong: sh FILE.awk
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
awk=$1
failed=0

# try WANTED FILE INCLUDE: one file with one include; WANTED is 0 (passes) or 1 (is caught).
try()
{
    mkdir -p "$folder/$(dirname "$2")"
    printf '%s\n' "#include $3" > "$folder/$2"
    found=0
    (cd "$folder" && awk -f "$awk" "$2") > "$folder/said" 2>&1 || found=$?
    if [ "$found" != "$1" ]; then
        echo "$2 with #include $3: wanted $1, found $found"
        cat "$folder/said"
        failed=1
    fi
    rm "$folder/$2"
}

try 0 src/values/a.c '"base/base.h"'
try 0 src/values/a.c '"values/array.h"'
try 0 src/values/a.c '"evenkeel/array.h"'
try 0 src/ops/a.c '"graph/op.h"'
try 0 src/dnn/a.c '<oneapi/dnnl/dnnl.h>'
try 0 include/evenkeel/session.h '"evenkeel/graph.h"'
try 1 src/values/a.c '"graph/op.h"'         # up
try 1 src/formats/a.c '"layers/layer.h"'    # a sibling
try 1 src/values/a.c '"evenkeel/graph.h"'   # a public header of a higher floor
try 1 src/kernels/a.c '"base/base.h"'       # kernels stand alone
try 1 src/ops/a.c '<oneapi/dnnl/dnnl.h>'    # behind dnn/ only
try 1 src/ops/a.c '  "plan/plan.h"'
try 1 include/evenkeel/graph.h '"evenkeel/session.h"'
try 1 include/evenkeel/session.h '"evenkeel/files.h"' # of equal rank
try 1 include/evenkeel/graph.h '"graph/node.h"'
try 1 include/evenkeel/unknown.h '<stdint.h>'
try 1 src/unknown/a.c '<stdint.h>'
exit $failed
