#!/usr/bin/env bash
# What is written where: words that belong to one room, files that open with a sentence and stay short, no paths of
# somebody's machine. Arguments: source folder, build folder.
set -u
cd "$1" || exit 1
house=tests/house
failures=0

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

sources() {
    find core plugins -name '*.c' -o -name '*.h' | LC_ALL=C sort
}

# ---- words of one room: comments do not count, and strings do only where the rule says so
code=$(mktemp) strings=$(mktemp)
trap 'rm -f "$code" "$strings"' EXIT
sources | xargs awk -f $house/strip.awk >"$code"
sources | xargs awk -v keep_strings=1 -f $house/strip.awk >"$strings"
[ "$(wc -l <"$code")" -gt 10000 ] || fail "hardly any code found: is $1 the source folder?"

# only FILE WORD WHERE: lines of FILE whose code has WORD have to be in a file that matches WHERE. $call before the name
# of a function: not a member of that name.
call='(^|[^A-Za-z0-9_.>])'
only() {
    local found
    found=$(grep -E -- "$2" "$1" | grep -vE "^($3)" | cut -c 1-160)
    [ -z "$found" ] || fail "$2 belongs to $3:"$'\n'"$found"
}

only "$code" '\<(dnnl|DNNL)_' 'core/device/|core/ops/onednn'
only "$code" '\<_mm(256|512)?_' 'core/device/|core/ops/|core/base/digest\.c'
only "$code" '\<yaml_' 'core/config/'
only "$code" '\<(sqlite3_|SQLITE_)' 'core/report/'
only "$code" '\<(tj[A-Z]|TJ[A-Z]|png_)' 'core/image/'
only "$strings" 'gnuplot' 'core/report/|core/cli/'
only "$strings" '\<(SELECT|INSERT INTO|DELETE FROM|PRAGMA|CREATE TABLE) ' 'core/report/|core/cli/' # cli: in help
only "$code" '\<(dlopen|dlsym|dlclose|dlerror)\>' 'core/plugin/|core/(fetch/library|train/linear_svm)\.c'
only "$code" '\<(curl_[a-z]|CURL[A-Z]*_|archive_(read|entry|write)_|ARCHIVE_[A-Z])' 'core/fetch/'
only "$code" '\<omp_|#[[:space:]]*pragma omp' 'core/base/parallel\.c'
only "$code" "$call"'(fork|vfork|posix_spawnp?|execvp?e?|execlp?|system|popen|waitpid|waitid)[[:space:]]*\(' \
    'core/sweep/|core/report/gnuplot\.c|core/cli/'
only "$code" "$call"'(printf|puts|putchar|vprintf|perror)[[:space:]]*\(' 'core/cli/'
only "$code" '\<(stdout|stderr|STDOUT_FILENO|STDERR_FILENO)\>' 'core/cli/'
only "$code" "$call"'(exit|_exit|_Exit|quick_exit|longjmp|siglongjmp|setjmp|sigsetjmp|err|errx|warn|warnx)[[:space:]]*\(' 'core/cli/'
# memory.c: running out of memory where the program installed no handler; cli always does.
only "$code" "$call"'abort[[:space:]]*\(' 'core/base/memory\.c:'
# Random numbers are Philox's; the others keep hidden state or know no size.
only "$code" "$call"'(rand|srand|random|drand48|gets|strtok|tmpnam|mktemp|setlocale)[[:space:]]*\(' 'nowhere'

# ---- files open with a sentence and stay short
longest=600
while read -r file; do
    awk -v file="$file" -v longest=$longest '
        FNR == 1 && !/^\/\* ?[A-Za-z0-9`"$]/ { print "FAILED: " file ":1: does not open with a comment that says what it is"; bad = 1 }
        FNR == 1 { opening = "" }
        !closed { opening = opening " " $0; if (/\*\//) closed = 1 }
        closed == 1 {
            closed = 2
            if (!bad && opening !~ /[.:]( |$|\*)/) { print "FAILED: " file ":1: opens with no whole sentence"; bad = 1 }
        }
        END {
            if (FNR > longest) { print "FAILED: " file ": " FNR " lines, more than " longest ": is it two files?"; bad = 1 }
            exit bad
        }' "$file" || failures=$((failures + 1))
done < <(sources)

# ---- nothing points at somebody's machine; somebody's home, in tests of paths, is nobody's
tracked() {
    if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
        git ls-files -co --exclude-standard
    else
        find . -type f -not -path './build*' -not -path './results/*' -not -path './.git/*'
    fi
}
found=$(tracked | while read -r file; do
    [ -f "$file" ] && grep -InHE '(^|[^A-Za-z0-9_.~/}-])/(home|root|Users|work|workspace|mnt|media|srv|scratch)/[A-Za-z0-9_.-]' "$file"
done | grep -v '/home/somebody' | cut -c 1-200)
[ -z "$found" ] || fail "paths of a machine:"$'\n'"$found"
found=$(tracked | grep -E '\.(so|o|a|pyc|whl|db|safetensors)$' | grep -vE '^(\./)?tests/(.*\.safetensors|abi/abi[0-9]+_[a-z]+\.so|report/old/v[0-9]+\.db)$')
[ -z "$found" ] || fail "products of a build or a run: $found"

[ $failures = 0 ]
