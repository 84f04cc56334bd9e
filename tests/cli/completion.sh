#!/bin/sh
# Bash completes the command: sources what the command prints and asks what it would offer.
#     sh tests/cli/completion.sh BIN        (from the root of the tree)
command -v bash > /dev/null || { echo "skipped: there is no bash"; exit 77; }
PATH=$1:$PATH exec bash -u -- /dev/fd/3 3<< 'END'
failed=0
source <(evenkeel help --completion bash) || exit 1
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
touch "$T/model.meta" "$T/model.index" "$T/two words.pb"
mkdir "$T/folder"

# offers WHAT WORD...: the candidates for the last WORD, in the order of sort.
offers()
{
    local want=$1
    shift
    COMP_WORDS=("$@")
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    _evenkeel
    local found
    found=$(printf '%s\n' ${COMPREPLY[@]+"${COMPREPLY[@]}"} | LC_ALL=C sort | tr '\n' '|' | sed "s|$T|T|g; s/|\$//")
    [ "$found" = "$want" ] && return
    echo "'$*': expected '$want', found '$found'"
    failed=1
}

offers 'inspect' evenkeel ins
offers '--help|--version' evenkeel -
offers '--feed|--fetch' evenkeel run model.pb --fe
offers '' evenkeel run --threads ''
offers 'run' evenkeel help ru
offers 'bash' evenkeel help --completion ''
offers 'bash' evenkeel help --completion = b
offers 'bash' evenkeel help --completion =
offers 'T/folder|T/model.index|T/model.meta|T/two words.pb' evenkeel run "$T/"
offers 'T/two words.pb' evenkeel run --feed x = "$T/tw"
offers '' evenkeel run --feed x

# Commands and options are those that help lists, each once.
listed() { sed -n "/^$1:/,/^\$/s/^  \\(-*[a-z0-9][a-z0-9-]*\\) .*/\\1/p" | LC_ALL=C sort | tr '\n' '|' | sed 's/|$//'; }
offers "$(evenkeel help | listed Commands)" evenkeel ''
for command in $(evenkeel help | listed Commands | tr '|' ' '); do
    all=$(evenkeel help "$command" | listed Options)
    offers "$all" evenkeel "$command" -
    [ -n "$all" ] && [ -z "$(tr '|' '\n' <<< "$all" | uniq -d)" ] || { echo "options of $command: $all"; failed=1; }
done
exit $failed
END
