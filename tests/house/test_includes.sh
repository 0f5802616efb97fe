#!/usr/bin/env bash
# Who may know whom: reads every #include under core/ and plugins/ and fails on an edge that the table does not
# have. Arguments: source folder, build folder.
set -u
cd "$1" || exit 1

# Rooms that a room may include, besides itself and the public headers (convoy/). Two wings on one ground, base and
# config: device <- ops <- graph <- train, and journal <- report <- sweep. They meet in cli.
# api is the learning wing as others see it.
rooms='
include
base
config    base
image     base
plugin    base config image
journal   base config
device    base config
ops       base config device
graph     base config plugin device ops
train     base config plugin device ops graph journal
check     base config plugin device ops graph train
fetch     base config
report    base config journal image
sweep     base config journal report
api       base config plugin device graph train
cli       base config image plugin device ops graph train check journal report sweep fetch
plugins
'

# Headers of libraries, and where they may be included: a room, a folder of plugins, or one file.
libraries='
omp.h            core/base/parallel.c
yaml.h           core/config
dlfcn.h          core/plugin core/fetch/library.c core/train/linear_svm.c
elf.h            core/plugin core/device
oneapi/dnnl/     core/device core/ops
dnnl             core/device core/ops
immintrin.h      core/device core/ops core/base/digest.c
nmmintrin.h      core/base/digest.c
x86intrin.h      core/device core/ops core/base/digest.c
cpuid.h          core/device core/base/digest.c
sqlite3.h        core/report
spawn.h          core/sweep core/report/gnuplot.c
curl/            core/fetch
archive          core/fetch
getopt.h         core/cli
linear.h         core/train/linear_svm.c
turbojpeg.h      core/image
jpeglib.h        core/image
png.h            core/image
zlib.h           plugins/datasets
'

# What plugins may include of the system: C and POSIX.
libc='^(assert|complex|ctype|dirent|endian|errno|fcntl|fenv|float|inttypes|limits|math|pthread|stdalign|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|string|strings|time|unistd|sys/(file|mman|stat|types))\.h$'

find core plugins -name '*.c' -o -name '*.h' | LC_ALL=C sort | xargs grep -HnE '^[[:space:]]*#[[:space:]]*include' |
    awk -v rooms="$rooms" -v libraries="$libraries" -v libc="$libc" '
    function complain(what) {
        print "FAILED: " file ":" line ": " what
        failures++
    }
    BEGIN {
        n = split(rooms, rows, "\n")
        for (i = 1; i <= n; i++) {
            m = split(rows[i], word, " ")
            if (!m) continue
            known[word[1]] = 1
            for (k = 1; k <= m; k++) allowed[word[1], word[k]] = 1
        }
        n = split(libraries, rows, "\n")
        for (i = 1; i <= n; i++) {
            m = split(rows[i], word, " ")
            if (!m) continue
            library[++n_libraries] = word[1]
            for (k = 2; k <= m; k++) places[n_libraries] = places[n_libraries] " " word[k]
        }
    }
    {
        split($0, part, ":")
        file = part[1]
        line = part[2]
        split(file, folder, "/")
        room = folder[1] == "plugins" ? "plugins" : folder[2]
        if (!(room in known)) {
            complain("room " room " is not in the table of tests/house/test_includes.sh")
            next
        }
        if (match($0, /"[^"]*"/)) {
            header = substr($0, RSTART + 1, RLENGTH - 2)
            edges++
            split(header, to, "/")
            if (to[1] == "convoy") {
                path = "core/include/" header
            } else if (room == "plugins" && header ~ /^[a-z0-9_]+\.h$/) {
                path = file # a private header of plugins lies beside them
                sub(/[^\/]*$/, header, path)
            } else {
                path = "core/" header
                if (header !~ /^[a-z]+\/[a-z0-9_]+\.h$/) complain("\"" header "\" is not written as room/file.h")
                else if (!(to[1] in known)) complain("\"" header "\": there is no room " to[1])
                else if (!((room, to[1]) in allowed)) complain(room " must not know " to[1] " (\"" header "\")")
            }
            if ((getline first < path) < 0) complain("\"" header "\" does not exist")
            close(path)
        } else if (match($0, /<[^>]*>/)) {
            header = substr($0, RSTART + 1, RLENGTH - 2)
            if (header ~ /^convoy\//) {
                complain("write \"" header "\"")
                next
            }
            found = 0
            for (i = 1; i <= n_libraries && !found; i++) {
                if (index(header, library[i]) != 1) continue
                found = 1
                right = 0
                m = split(places[i], place, " ")
                for (k = 1; k <= m; k++)
                    right = right || file == place[k] || index(file, place[k] "/") == 1
                if (!right) complain("<" header "> belongs to" places[i])
            }
            if (room == "plugins" && !found && header !~ libc)
                complain("plugins include convoy/*.h and the C library, not <" header ">")
        } else {
            complain("an #include that this test cannot read")
        }
    }
    END {
        if (edges < 100) {
            print "FAILED: only " edges + 0 " includes found: is this the source folder?"
            failures++
        }
        exit failures > 0
    }'
