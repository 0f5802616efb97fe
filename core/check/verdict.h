/* What one check of a plugin found: passed or not, and each failure with what, where and by how much. Crosses the
 * process boundary as JSON. */
#ifndef CHECK_VERDICT_H
#define CHECK_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/json.h"

typedef enum verdict_status {
    VERDICT_PASSED,
    VERDICT_FAILED,
    VERDICT_SKIPPED, /* does not apply; the note says why */
    VERDICT_CRASHED, /* the process ended in the middle */
    VERDICT_TIMEOUT,
    VERDICT_NOT_RUN /* something it needs failed before */
} verdict_status;

typedef struct verdict_failure {
    char *what;
    char *where;  /* the case: configuration and shapes; "" when it is none */
    char *tensor; /* "gradient of weight"; NULL when it is about none */
    int64_t index;
    double found, expected;
} verdict_failure;

#define VERDICT_KEPT 8 /* failures told; the others are counted */

typedef struct verdict {
    verdict_status status;
    verdict_failure items[VERDICT_KEPT];
    size_t n, total;
    int64_t cases; /* tried */
    double seconds;
    char *note;                       /* "float, to 2 %" */
    char *where;                      /* of failures to come */
    void (*moved)(const char *where); /* told each new case, so that a crash has a place; may be NULL */
} verdict;                            /* a zeroed one has passed */

void verdict_free(verdict *v);
/* The case that failures from now on belong to; counts it. */
void verdict_at(verdict *v, const char *where);
void verdict_fail(verdict *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same of one number of a tensor. */
void verdict_number(verdict *v, const char *tensor, int64_t index, double found, double expected,
                    const char *fmt, ...) __attribute__((format(printf, 6, 7)));
void verdict_skip(verdict *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void verdict_note(verdict *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Everything reported becomes a failure; e is emptied. */
void verdict_errors(verdict *v, errors *e);

const char *verdict_status_name(verdict_status s); /* "passed" */
/* One line for people. */
void verdict_failure_text(const verdict_failure *f, text *out);
/* The members of an open object, and back. */
void verdict_write(const verdict *v, json_writer *w);
void verdict_read(verdict *v, const json *object);

#endif
