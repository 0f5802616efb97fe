# What the scripts of this folder share: a folder of their own, an HTTP server, recipes. To be sourced with the source and
# build folder as arguments.
build=$(realpath "$2")
convoy=$build/convoy
tools=$build/tests/fetch/tools
dir=$(mktemp -d)
export XDG_DATA_HOME=$dir/data XDG_CACHE_HOME=$dir/cache TERM=dumb
unset CONVOY_PLUGIN_PATH CONVOY_RESULTS http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY no_proxy NO_PROXY
place=$dir/data/convoy
cd "$dir" || exit 1
failures=0
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; chmod -R u+w "$dir"; rm -rf "$dir"' EXIT

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

has_library() {
    "$convoy" doctor 2>/dev/null | grep -q "^ok *$1 "
}

# The files of served/ at $url/HOW/FILE; see tools/server.c. Its requests come to the file `log`.
start_server() {
    mkdir -p served
    mkfifo hold
    "$tools/server" "$dir/served" "$dir/port" "$dir/log" <hold &
    server=$!
    exec 9>hold # open for as long as this script lives
    local i
    for ((i = 0; i < 200; i++)); do
        [ -s port ] && break
        read -r -t 0.05 <> <(:) || :
    done
    url=http://127.0.0.1:$(cat port)
}

expect() { # expect CODE ARGUMENT...: of `convoy data`
    local code=$1
    shift
    "$convoy" data "$@" >out 2>err </dev/null
    local got=$?
    [ $got = "$code" ] || fail "line ${BASH_LINENO[0]}: data $*: exit code $got, expected $code: $(cat out err)"
}

says() { # says WHERE TEXT
    grep -qF -- "$2" "$1" || fail "line ${BASH_LINENO[0]}: no \"$2\" in $1: $(cat "$1")"
}

# recipe MIRROR ARCHIVE UNPACK FILE...: the recipe of `toy`, with the archive's real checksum
recipe() {
    local mirror=$1 archive=$2 unpack=$3 file
    shift 3
    {
        printf 'toy:\n  mirrors: ["%s"]\n  archives:\n' "$mirror"
        printf '    - {file: %s, bytes: %d, sha256: %s, unpack: %s}\n' "$archive" "$(stat -c %s "served/$archive")" \
            "$(sha256sum "served/$archive" | cut -d ' ' -f 1)" "$unpack"
        printf '  limit: 4000000\n  files:\n'
        for file in "$@"; do printf '    - {path: %s}\n' "$file"; done
    } >toy.yaml
}

# Nothing is left over, and nothing of the dataset is there.
nothing_there() {
    [ ! -e "$place/toy" ] || fail "line ${BASH_LINENO[0]}: half a dataset: $(find "$place/toy")"
    [ ! -e "$place/.fetching/toy/unpacked" ] || fail "line ${BASH_LINENO[0]}: left over: $(find "$place/.fetching")"
}
