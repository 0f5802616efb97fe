#!/usr/bin/env bash
# `convoy completion`: bash's script completes commands, subcommands, options, values, plugins and runs; those for zsh and
# fish are at least understood where these shells are. Arguments: source folder, build folder.
set -u
build=$(realpath "$2")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export XDG_DATA_HOME=$dir XDG_CACHE_HOME=$dir CONVOY_RESULTS=$dir/results TERM=dumb PATH=$build:$PATH
unset CONVOY_PLUGIN_PATH
cd "$dir" || exit 1
failures=0

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

for shell in bash zsh fish; do
    convoy completion $shell >$shell.out || fail "convoy completion $shell: exit code $?"
    for command in $(convoy help | sed -n '/^Commands:/,/^$/s/^  \([a-z]\+\) .*/\1/p'); do
        grep -qw -- "$command" $shell.out || fail "$shell: no $command"
    done
    command -v $shell >/dev/null && { $shell -n $shell.out || fail "$shell does not understand its completion"; }
done
convoy completion tcsh 2>err && fail "there is no completion for tcsh"
convoy completion 2>err && fail "which shell?"

# shellcheck source=/dev/null
. ./bash.out
complete -p convoy >/dev/null || fail "nothing is registered for convoy"

# completes WORD... : WORD...: the last word on the left is being typed; exactly the right ones must come, or with ...
# at the end at least these.
completes() {
    local typed=() wanted=() side=typed word
    for word in "$@"; do
        if [ "$word" = ":" ]; then
            side=wanted
        elif [ $side = typed ]; then
            typed+=("$word")
        else
            wanted+=("$word")
        fi
    done
    COMP_WORDS=("${typed[@]}") COMP_CWORD=$((${#typed[@]} - 1))
    _convoy
    local got=" ${COMPREPLY[*]} "
    for word in "${wanted[@]}"; do
        [ "$word" = ... ] || [[ $got == *" $word "* ]] || fail "${typed[*]}: no $word in$got"
    done
    [[ " ${wanted[*]} " == *" ... "* ]] || [ ${#COMPREPLY[@]} = ${#wanted[@]} ] || fail "${typed[*]}: too much:$got"
}

completes convoy "" : run sweep model plugin help ...
completes convoy pl : plot plugin ...
completes convoy tri :
completes convoy help sw : sweep
completes convoy --ver : --version --verbose
completes convoy run --ag : --again
completes convoy run --plu : --plugin
completes convoy ls --color "" : auto always never
completes convoy plugin "" : ls info check eval new docs ...
completes convoy plugin ls op : optimizer
completes convoy plugin info con : concat conv2d ...
completes convoy plugin new la : layer
completes convoy plugin eval --kernels "" : plain fast
completes convoy profile --order "" : time network
completes convoy completion "" : bash zsh fish
completes convoy export "" : csv jsonl sql tensorboard weights
completes convoy export jsonl la : last
completes convoy --color never plugin in : info
mkdir sub
completes convoy ls --results s : sub
completes convoy show l : last

[ $failures = 0 ]
