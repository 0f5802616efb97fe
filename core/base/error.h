/* Collects what went wrong as messages a person can act on. Knows no YAML and never prints.
 *
 * A message reads `place: context: context: what`, e.g.
 *   experiments/vgg.yaml:14:15: layer "stem" (conv2d): kernel: 0 is below 1
 * followed, where there is a source line, by that line and a caret, and by a hint. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stdbool.h>
#include <stddef.h>
#include "base/text.h"
#include "convoy/status.h"

/* A spot in a text (line and column from 1; 0 = unknown) or in a binary file (offset >= 0, line 0). */
typedef struct place {
    const char *file; /* NULL: nowhere in particular */
    int line, column;
    long long offset;   /* -1: none */
    const char *source; /* the whole source line, without its newline; NULL when unknown */
} place;

#define PLACE_NONE       ((place){NULL, 0, 0, -1, NULL})
#define PLACE_FILE(f)    ((place){(f), 0, 0, -1, NULL})
#define PLACE_AT(f, off) ((place){(f), 0, 0, (long long)(off), NULL})

typedef struct message {
    cvy_status status;
    bool warning;
    char *file; /* owned copies; NULL when absent */
    int line, column;
    long long offset;
    char *source;
    char *what; /* with its contexts in front */
    char *hint; /* "did you mean `kernel`?" */
} message;

typedef struct errors {
    message *items;
    size_t n, cap;
    char **context; /* stack, see errors_push */
    size_t n_context, cap_context;
    size_t lost_errors, lost_warnings; /* counted, not kept */
} errors;                              /* a zeroed one is empty and valid */

void errors_free(errors *e);

/* Adds one message and returns `status`, so that callers can `return errors_add(...)`. `at` and `hint` may be
 * NULL, and so may `e` when nobody wants to know. Beyond 100 errors, and 100 warnings, they are counted, not
 * kept. */
cvy_status errors_add(errors *e, cvy_status status, const place *at, const char *hint, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
void errors_warn(errors *e, const place *at, const char *hint, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Text put in front of every message until the matching pop: `layer "stem" (conv2d)`. */
void errors_push(errors *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void errors_pop(errors *e);

/* CVY_OK when no error (warnings do not count); else the status of the first error. */
cvy_status errors_status(const errors *e);
size_t errors_count(const errors *e);       /* errors, not warnings */
void errors_move(errors *to, errors *from); /* appends and empties `from` */

/* The messages as text for a terminal: `colour` wraps in ANSI. */
void errors_text(const errors *e, bool colour, text *out);

/* The same as a JSON array of {"status","warning","file","line","column","offset","source","what","hint"},
 * and back: how a planning child hands its errors to the supervisor. */
struct json_writer;
struct json;
void errors_write_json(const errors *e, struct json_writer *w);
void errors_read_json(errors *e, const struct json *array);

#endif
