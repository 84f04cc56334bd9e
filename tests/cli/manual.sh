#!/bin/sh
# The man page: what checks man pages finds nothing, and it says all that help says.
#     sh tests/cli/manual.sh BIN        (from the root of the tree)
set -u
bin=$1
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
"$bin/evenkeel" help --man > "$T/evenkeel.1" || exit 1
if command -v groff > /dev/null; then
    groff -man -ww -b -z "$T/evenkeel.1" > "$T/said" 2>&1
    [ ! -s "$T/said" ] || { cat "$T/said"; exit 1; }
fi
if command -v mandoc > /dev/null; then
    mandoc -T lint -W warning "$T/evenkeel.1" || exit 1
fi
for command in $("$bin/evenkeel" help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'); do
    sed -n "/^\\.SS $command\$/,/^\\.S[SH] /p" "$T/evenkeel.1" | tr -d '\\' > "$T/section"
    for option in $("$bin/evenkeel" help "$command" | sed -n '/^Options:/,$s/^  --\([a-z0-9-]*\) .*/\1/p'); do
        [ "$option" = help ] || grep -q -e "^\\.BI --$option\\>" "$T/section" || { echo "$command: no --$option"; exit 1; }
    done
done
