/* JSON: a writer onto text and a strict reader (RFC 8259) into a tree. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/memory.h"
#include "base/text.h"

/* Writer: commas and quoting are its business; hidden characters (text_hidden) are written as \uNNNN, so that JSON may be looked at
 * on a terminal. Non-finite numbers become the strings "nan", "inf", "-inf". */
typedef struct json_writer {
    text out;
    bool comma;
} json_writer;

void json_open(json_writer *w, char bracket);  /* '{' or '[' */
void json_close(json_writer *w, char bracket); /* '}' or ']' */
void json_key(json_writer *w, const char *key);
void json_text(json_writer *w, const char *s); /* NULL writes null; invalid UTF-8 bytes become U+FFFD */
void json_text_n(json_writer *w, const char *s, size_t n); /* zeros in it too */
void json_int(json_writer *w, int64_t v);
void json_double(json_writer *w, double v); /* shortest text that reads back equal */
void json_bool(json_writer *w, bool v);
void json_null(json_writer *w);
void json_raw(json_writer *w, const char *json); /* already JSON */
/* key and value in one */
void json_put_text(json_writer *w, const char *key, const char *s);
void json_put_int(json_writer *w, const char *key, int64_t v);
void json_put_double(json_writer *w, const char *key, double v);
void json_put_bool(json_writer *w, const char *key, bool v);

typedef enum json_kind { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_TEXT, JSON_ARRAY, JSON_OBJECT } json_kind;

typedef struct json {
    json_kind kind;
    bool b;
    double number;
    int64_t integer; /* valid when is_integer */
    bool is_integer;
    const char *s;       /* JSON_TEXT, NUL-terminated */
    size_t n;            /* bytes of text, items of array or object */
    struct json **items; /* array and object values */
    const char **keys;   /* object */
} json;

/* Parses exactly n bytes. NULL on a syntax error with *error (static text) and *offset set. Depth at most 64;
 * duplicate keys are an error. The tree lives in the arena. */
json *json_parse(arena *a, const char *s, size_t n, const char **error, size_t *offset);
const json *json_get(const json *object, const char *key); /* NULL when absent */
const char *json_get_text(const json *object, const char *key, const char *otherwise);
int64_t json_get_int(const json *object, const char *key, int64_t otherwise);
double json_get_double(const json *object, const char *key, double otherwise); /* "nan", "inf" too */
bool json_get_bool(const json *object, const char *key, bool otherwise);
double json_as_double(const json *v, double otherwise);

#endif
