# C without its comments and, unless keep_strings is set, without what its strings say; line numbers stay. Prints
# FILE:LINE:code for every line on which some code is left.
FNR == 1 { comment = 0 }
{
    line = $0
    code = ""
    while (line != "") {
        if (comment) {
            end = index(line, "*/")
            if (!end) break
            line = substr(line, end + 2)
            comment = 0
            code = code " "
            continue
        }
        if (!match(line, /\/\*|\/\/|"|'/)) {
            code = code line
            break
        }
        token = substr(line, RSTART, RLENGTH)
        code = code substr(line, 1, RSTART - 1)
        line = substr(line, RSTART + RLENGTH)
        if (token == "//") break
        if (token == "/*") {
            comment = 1
        } else { # a string or a character; neither goes over a line's end here
            rest = token == "\"" ? "^([^\"\\\\]|\\\\.)*\"" : "^([^'\\\\]|\\\\.)*'"
            if (match(line, rest)) {
                code = code token (keep_strings ? substr(line, 1, RLENGTH) : token)
                line = substr(line, RLENGTH + 1)
            } else {
                code = code token
            }
        }
    }
    if (code ~ /[^ \t]/) print FILENAME ":" FNR ":" code
}
