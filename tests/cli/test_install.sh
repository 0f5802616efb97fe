#!/usr/bin/env bash
# An installation somewhere: the layout, plugins made with it by `plugin new`, by cc, CMake, pkg-config and in C++, programs
# around the library, the installed experiments; and the Debian package. Arguments: source folder, build folder.
set -u
source_dir=$(realpath "$1")
build=$(realpath "$2")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export XDG_DATA_HOME=$dir/data XDG_CACHE_HOME=$dir/cache TERM=dumb
unset CONVOY_PLUGIN_PATH CONVOY_RESULTS LD_LIBRARY_PATH
failures=0

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

expect() { # expect CODE COMMAND...
    local code=$1
    shift
    "$@" >"$dir/out" 2>"$dir/err" </dev/null
    local got=$?
    [ $got = "$code" ] || fail "$*: exit code $got, expected $code: $(head -c 1500 "$dir/out" "$dir/err")"
}

says() {
    grep -qE -- "$1" "$dir/out" || fail "no line like \"$1\": $(head -c 1500 "$dir/out")"
}

setting() {
    sed -n "s/^$1:[A-Z]*=//p" "$build/CMakeCache.txt"
}

# Moved after it was installed: nothing in it may know where it was.
expect 0 cmake --install "$build" --prefix "$dir/first"
mv "$dir/first" "$dir/prefix" || exit 1
prefix=$dir/prefix
convoy=$prefix/bin/convoy
lib=$prefix/$(setting CMAKE_INSTALL_LIBDIR)
abi=$(sed -n 's/^#define CVY_ABI \([0-9]*\)u.*/\1/p' "$source_dir/core/include/convoy/plugin.h")
for file in bin/convoy include/convoy/plugin.h share/convoy/architectures/mini_resnet.yaml share/convoy/experiments/quickstart.yaml \
    share/man/man1/convoy.1 share/bash-completion/completions/convoy share/fish/vendor_completions.d/convoy.fish \
    share/doc/convoy/copyright share/doc/convoy/examples/example.c share/doc/convoy/examples/example.yaml; do
    [ -s "$prefix/$file" ] || fail "$file is not installed"
done
[ -s "$lib/convoy/plugins-$abi/layers/conv2d.so" ] || fail "conv2d.so is not in plugins-$abi"
[ -s "$lib/libconvoy.so.0" ] || fail "libconvoy.so.0 is not installed"
found=$(find "$prefix" -path '*/doc/convoy/examples' -prune -o -name '*.in' -print -o -name '*.c' -print -o -name 'CMakeCache.txt' -print)
[ -z "$found" ] || fail "what has no place in an installation: $found"
grep -rlIF "$build" "$prefix" && fail "the files above name the build folder"

# The sanitizers want to be loaded first, which programs around the library do not do.
sanitized=
grep -q 'CONVOY_SANITIZE:BOOL=ON' "$build/CMakeCache.txt" && sanitized=yes

# ---- the installed program, from a folder of the user's
mkdir "$dir/home" && cd "$dir/home" || exit 1
expect 0 "$convoy" doctor
says "^ok +headers +$prefix/include\$"
says "plugins-$abi: [0-9]+ plugins"
says "^ok +library +$lib/libconvoy"
expect 0 "$convoy" check "$prefix/share/convoy/experiments/quickstart.yaml"
expect 0 "$convoy" model cifar_resnet20
short="train.epochs=1 dataset.train=200 dataset.test=50"

# ---- a plugin of one's own, by the line that is printed
expect 0 "$convoy" plugin new layer bend
command=$(grep -m 1 '^ *cc ' "$dir/out")
[[ $command == *"-I$prefix/include "* ]] || fail "the cc command does not name $prefix/include: $command"
cd bend || exit 1
expect 0 bash -c "$command"
# shellcheck disable=SC2086
expect 0 "$convoy" run bend.yaml $short
cd ..

# ---- by its CMakeLists.txt: found as a package, though the folder that wrote it has gone
expect 0 "$convoy" plugin new optimizer follow
sed -i "s|$prefix/include|/nonexistent|" follow/CMakeLists.txt
expect 0 cmake -S follow -B follow/build "-DCMAKE_PREFIX_PATH=$prefix"
expect 0 cmake --build follow/build
# shellcheck disable=SC2086
expect 0 "$convoy" run follow/follow.yaml $short
# While that folder is there, it comes before any other Convoy, found as a package or not.
mkdir -p other/lib/cmake/Convoy
echo 'message(FATAL_ERROR "another Convoy was taken")' >other/lib/cmake/Convoy/ConvoyConfig.cmake
expect 0 "$convoy" plugin new loss mine
expect 0 cmake -S mine -B mine/build "-DCMAKE_PREFIX_PATH=$PWD/other"
expect 0 cmake --build mine/build

# ---- find_package for a program, and pkg-config
mkdir program
cat >program/CMakeLists.txt <<'END'
cmake_minimum_required(VERSION 3.22)
project(program LANGUAGES C)
find_package(Convoy 0.1 REQUIRED)
add_executable(program program.c)
target_link_libraries(program PRIVATE Convoy::convoy)
message(STATUS "abi ${Convoy_ABI} in ${Convoy_PLUGIN_DIR}, ${Convoy_EXECUTABLE}")
END
cp "$source_dir/tests/api/example.c" program/program.c
example="$source_dir/tests/api/example.yaml"
if [ -z "$sanitized" ]; then
    expect 0 cmake -S program -B program/build "-DCMAKE_PREFIX_PATH=$prefix"
    says "abi $abi in $lib/convoy/plugins-$abi, $convoy"
    expect 0 cmake --build program/build
    expect 0 program/build/program "$example" first.safetensors
    says '^step 20: loss '
    says '^saved first.safetensors$'
fi
if command -v pkg-config >/dev/null; then
    export PKG_CONFIG_PATH=$lib/pkgconfig
    expect 0 pkg-config --modversion convoy
    says '^[0-9]+\.[0-9]+\.[0-9]+$'
    [ "$(realpath "$(pkg-config --variable=plugindir convoy)")" = "$lib/convoy/plugins-$abi" ] || fail "pkg-config: plugindir"
    # shellcheck disable=SC2046
    expect 0 cc -O2 -shared -fPIC $(pkg-config --cflags convoy) -o bend/bend.so bend/bend.c -lm
    if [ -z "$sanitized" ]; then
        # shellcheck disable=SC2046
        expect 0 cc program/program.c -o program/linked $(pkg-config --cflags --libs convoy) "-Wl,-rpath,$lib"
        expect 0 program/linked "$example" second.safetensors
        expect 0 cmp first.safetensors second.safetensors
        # docs/library.md's own lines, in a private prefix.
        mkdir library
        awk '/^```sh$/ { inside = 1; next } /^```$/ { if (inside) exit } inside' "$source_dir/docs/library.md" |
            sed -e "s|^prefix=.*|prefix=$prefix|" -e "s|\$prefix/lib/|$lib/|" >library/lines
        [ "$(wc -l <library/lines)" = 5 ] || fail "docs/library.md has other lines: $(cat library/lines)"
        (cd library && unset PKG_CONFIG_PATH && expect 0 bash -e lines && exit $failures) || fail "docs/library.md"
        expect 0 cmp first.safetensors library/weights.safetensors
    fi
fi

# ---- C++ through the same C ABI
if command -v c++ >/dev/null; then
    expect 0 c++ -std=c++17 -Wall -Wextra -Werror -O2 -shared -fPIC "-I$prefix/include" -o halve.so "$source_dir/tests/plugins_cxx/halve.cpp"
    expect 0 c++ -std=c++17 -Wall -Wextra -Werror "-I$prefix/include" -fsyntax-only -x c++ "$prefix/include/convoy/convoy.h" # a program's header
    sed -e 's|\./bend.so|./halve.so|' -e 's/bend: {slope: 0.1,/halve: {factor: 0.7,/' bend/bend.yaml >halve.yaml
    # shellcheck disable=SC2086
    expect 0 "$convoy" run halve.yaml $short
fi

# ---- a plugin packaged for another ABI is not even looked at; one put into the right folder is found
mkdir -p "$lib/convoy/plugins-$((abi + 1))"
echo nothing >"$lib/convoy/plugins-$((abi + 1))/later.so"
cp bend/bend.so "$lib/convoy/plugins-$abi/layers/"
expect 0 "$convoy" plugin ls layer
says "^layer +bend +$lib/convoy/plugins-$abi/layers/bend.so"
[ ! -s "$dir/err" ] || fail "plugin ls: $(cat "$dir/err")"

# ---- the Debian package
if [ -z "$sanitized" ] && command -v dpkg-shlibdeps dpkg-deb cpack >/dev/null && [ "$(command -v dpkg-shlibdeps)" ]; then
    expect 0 cpack -G DEB --config "$build/CPackConfig.cmake" -B "$dir/package"
    package=$(echo "$dir"/package/convoy_*.deb)
    expect 0 dpkg-deb -I "$package"
    says '^ Package: convoy$'
    says '^ Version: [0-9]+\.[0-9]+\.[0-9]+'
    says '^ Depends: .*libc6.*'
    says '^ Depends: .*libyaml-0.*'
    says '^ Depends: .*libsqlite3-0.*'
    says '^ Depends: .*gnuplot-nox'
    grep -q 'Depends:.*convoy' "$dir/out" && fail "the package depends on itself"
    expect 0 dpkg-deb -x "$package" "$dir/root"
    gzip -dc "$dir/root/usr/share/man/man1/convoy.1.gz" | cmp - "$source_dir/man/convoy.1" || fail "the packed manual"
    [ ! -e "$dir/root/usr/share/man/man1/convoy.1" ] || fail "the manual is in the package twice"
    [ -s "$dir/root/usr/share/doc/convoy/copyright" ] || fail "the package has no copyright file"
    expect 0 "$dir/root/usr/bin/convoy" doctor
    says "^ok +headers +$dir/root/usr/include\$"
fi

[ $failures = 0 ]
