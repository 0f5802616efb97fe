#!/usr/bin/env bash
# docs/plugins is what the plugins declare, and man/convoy.1 what the commands do. Arguments: source folder, build folder.
set -u
source_dir=$(realpath "$1")
convoy=$(realpath "$2")/convoy
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export XDG_DATA_HOME=$dir XDG_CACHE_HOME=$dir TERM=dumb
unset CONVOY_PLUGIN_PATH CONVOY_RESULTS
cd "$dir" || exit 1
failures=0

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

"$convoy" plugin docs -o pages >written || fail "convoy plugin docs: exit code $?"
[ "$(wc -l <written)" = "$(find pages -name '*.md' | wc -l)" ] || fail "written are not the pages told: $(cat written)"
diff -ru "$source_dir/docs/plugins" pages || fail "docs/plugins is not current; in the source folder: convoy plugin docs"
for plugin in $("$convoy" plugin ls | awk 'NR > 1 { print $2 }'); do
    grep -qxF "## $plugin" pages/*.md || fail "no section on $plugin"
done
# Links lead to a section of the page they name.
grep -noE '\]\([a-z]*(\.md)?#[a-z0-9_]+\)' -r pages | while IFS=: read -r page _ link; do
    target=${link#*(}
    target=${target%)}
    file=${target%%#*}
    grep -qxF "## ${target#*#}" "pages/${file:-$(basename "$page")}" || echo "$page: $link"
done >broken
[ ! -s broken ] || fail "links that lead nowhere: $(cat broken)"

"$convoy" manual >convoy.1 || fail "convoy manual: exit code $?"
diff -u "$source_dir/man/convoy.1" convoy.1 || fail "man/convoy.1 is not current: convoy manual >man/convoy.1"
if command -v mandoc >/dev/null; then
    mandoc -T lint -W error convoy.1 || fail "the manual page is not good roff"
fi

[ $failures = 0 ]
