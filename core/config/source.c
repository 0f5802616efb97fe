/* Owns the lines of a YAML text for messages; must break lines exactly where libyaml does, or carets drift.
 */
#include "config/source.h"

#include <string.h>

enum { SOURCE_LINE_MAX = 4000 }; /* a line of a megabyte would be copied into every message */

/* Bytes of the line break at s[i], 0 when there is none: CR LF, CR, LF, NEL, LS, PS. */
static size_t line_break(const char *s, size_t n, size_t i)
{
    const unsigned char *u = (const unsigned char *)s;
    if (u[i] == '\r') return i + 1 < n && u[i + 1] == '\n' ? 2 : 1;
    if (u[i] == '\n') return 1;
    if (u[i] == 0xC2 && i + 1 < n && u[i + 1] == 0x85) return 2;
    if (u[i] == 0xE2 && i + 2 < n && u[i + 1] == 0x80 && (u[i + 2] == 0xA8 || u[i + 2] == 0xA9)) return 3;
    return 0;
}

source source_open(arena *a, const char *name, const char *s, size_t n, bool numbered)
{
    source src = {arena_text(a, name), numbered, NULL, 1};
    if (!numbered) return src;
    for (size_t i = 0; i < n;) {
        size_t skip = line_break(s, n, i);
        if (skip) src.n++;
        i += skip ? skip : 1;
    }
    src.lines = arena_array(a, src.n, sizeof *src.lines);
    char *copy = arena_text_n(a, s, n);
    size_t line = 0, begin = 0;
    for (size_t i = 0; i <= n;) {
        size_t skip = i < n ? line_break(s, n, i) : 1;
        if (skip) {
            if (i - begin <= SOURCE_LINE_MAX) src.lines[line] = copy + begin;
            copy[i] = '\0';
            line++;
            begin = i + skip;
        }
        i += skip ? skip : 1;
    }
    return src;
}

place source_at(const source *src, size_t line, size_t column)
{
    place at = PLACE_FILE(src->name);
    if (!src->numbered) return at;
    at.line = (int)line + 1;
    at.column = (int)column + 1;
    at.source = line < src->n ? src->lines[line] : NULL;
    return at;
}

place source_at_byte(const source *src, const char *s, size_t n, size_t offset)
{
    size_t line = 0, column = 0;
    for (size_t i = 0; i < n && i < offset;) {
        size_t skip = line_break(s, n, i);
        if (skip) {
            line++;
            column = 0;
            i += skip;
        } else {
            if (((unsigned char)s[i] & 0xC0) != 0x80) column++;
            i++;
        }
    }
    return source_at(src, line, column);
}
