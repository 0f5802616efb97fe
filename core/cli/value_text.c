/* Owns how single values are written; must not know where they come from. */
#include "cli/value_text.h"

#include <math.h>
#include <string.h>

static void add_hex(text *t, const char *s, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        const unsigned char c = (unsigned char)s[i];
        const char two[] = {digits[c >> 4], digits[c & 15]};
        text_add_n(t, two, 2);
    }
}

void value_plain(text *t, const user_value *v)
{
    switch (v->kind) {
    case USER_NULL:
        break;
    case USER_INT:
        text_printf(t, "%lld", (long long)v->i);
        break;
    case USER_DOUBLE:
        text_double(t, v->d);
        break;
    case USER_TEXT:
        text_add_n(t, v->s, v->n);
        break;
    case USER_BLOB:
        add_hex(t, v->s, v->n);
        break;
    }
}

void value_csv_text(text *t, const char *s, size_t n)
{
    bool quote = n > 0 && (s[0] == ' ' || s[n - 1] == ' ');
    for (size_t i = 0; i < n && !quote; i++) quote = s[i] && strchr(",\"\r\n", s[i]) != NULL;
    if (!quote) {
        text_add_n(t, s, n);
        return;
    }
    text_char(t, '"');
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '"') text_char(t, '"');
        text_char(t, s[i]);
    }
    text_char(t, '"');
}

void value_csv(text *t, const user_value *v)
{
    text s = {0};
    value_plain(&s, v);
    value_csv_text(t, text_str(&s), s.n);
    text_free(&s);
}

void value_json(json_writer *w, const user_value *v)
{
    text s = {0};
    if (v->kind == USER_NULL || (v->kind == USER_DOUBLE && isnan(v->d))) {
        json_null(w);
    } else if (v->kind == USER_INT) {
        json_int(w, v->i);
    } else if (v->kind == USER_DOUBLE) {
        json_double(w, v->d);
    } else {
        value_plain(&s, v);
        json_text_n(w, text_str(&s), s.n);
    }
    text_free(&s);
}

/* Whether a text may stand in a literal as it is. A zero would end it; a line of its own could be taken for a command by a shell that
 * the file is fed to (".shell"), which may drop carriage returns too; a terminal obeys controls. */
static bool is_plain(const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        uint32_t code = 0;
        const size_t len = text_utf8(s + i, n - i, &code);
        if (!len || text_hidden(code)) return false;
        i += len;
    }
    return true;
}

void value_sql_name(text *t, const char *name)
{
    text_char(t, '"');
    for (; *name; name++) {
        if (*name == '"') text_char(t, '"');
        text_char(t, *name);
    }
    text_char(t, '"');
}

void value_sql(text *t, const user_value *v)
{
    const bool hex = v->kind == USER_BLOB || (v->kind == USER_TEXT && !is_plain(v->s, v->n));
    if (v->kind == USER_NULL || (v->kind == USER_DOUBLE && isnan(v->d))) {
        text_add(t, "NULL");
    } else if (v->kind == USER_DOUBLE && isinf(v->d)) {
        text_add(t, v->d > 0 ? "9e999" : "-9e999"); /* as SQLite's own dump writes them */
    } else if (hex) {
        text_add(t, v->kind == USER_TEXT ? "CAST(x'" : "x'");
        add_hex(t, v->s, v->n);
        text_add(t, v->kind == USER_TEXT ? "' AS TEXT)" : "'");
    } else if (v->kind == USER_TEXT) {
        text_char(t, '\'');
        for (size_t i = 0; i < v->n; i++) {
            if (v->s[i] == '\'') text_char(t, '\'');
            text_char(t, v->s[i]);
        }
        text_char(t, '\'');
    } else {
        value_plain(t, v);
    }
}
