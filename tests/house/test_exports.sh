#!/usr/bin/env bash
# What the built files show and need: libconvoy exports what its public headers declare, a plugin its list alone, and no
# plugin needs libconvoy or any symbol of it. Arguments: source folder, build folder.
set -u
source_dir=$1
build=$2
failures=0

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

# The sanitizers put marks of their own beside every exported name.
exported() {
    nm -D --defined-only "$1" | awk '{ print $NF }' | grep -vE '^(__odr_asan|__asan|__ubsan|__sanitizer|_init$|_fini$)'
}

library=$build/libconvoy.so
[ -e "$library" ] || fail "$library does not exist"
declared=$(sed -n 's/^CVY_API .*\<\(cvy_[a-z_]*\)(.*/\1/p' "$source_dir"/core/include/convoy/*.h | LC_ALL=C sort)
[ "$(grep -c . <<<"$declared")" -gt 20 ] || fail "hardly any CVY_API in the headers: is $source_dir the source folder?"
found=$(comm -3 <(echo "$declared") <(exported "$library" | LC_ALL=C sort))
[ -z "$found" ] || fail "declared and not exported by libconvoy.so, or (to the right) the reverse:"$'\n'"$found"

plugins=$(find "$build/plugins" -name '*.so' | LC_ALL=C sort)
[ -n "$plugins" ] || fail "no plugins in $build/plugins"
for plugin in $plugins; do
    name=${plugin#"$build"/plugins/}
    found=$(exported "$plugin" | grep -vxE 'cvy_plugins|cvy_plugins_double')
    [ -z "$found" ] || fail "$name exports more than its list:" $found
    exported "$plugin" | grep -qx cvy_plugins || fail "$name does not export cvy_plugins"
    readelf -d "$plugin" | grep NEEDED | grep -q convoy && fail "$name needs libconvoy"
    found=$(nm -D --undefined-only "$plugin" | awk '{ print $NF }' | grep '^cvy_')
    [ -z "$found" ] || fail "$name wants symbols of Convoy's:" $found
    readelf -n "$plugin" 2>/dev/null | grep -q Convoy || fail "$name carries no note"
done

[ $failures = 0 ]
