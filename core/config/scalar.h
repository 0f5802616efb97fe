/* What a scalar is: null, boolean, integer, float or text. Knows YAML's spellings; knows no tree. */
#ifndef CONFIG_SCALAR_H
#define CONFIG_SCALAR_H

#include <stdbool.h>
#include "base/text.h"
#include "config/tree.h"

typedef enum scalar_type { SCALAR_NULL, SCALAR_BOOL, SCALAR_INT, SCALAR_FLOAT, SCALAR_TEXT } scalar_type;

/* Of a scalar node; integers too long for 64 bits are SCALAR_INT as well. */
scalar_type scalar_classify(const node *n);
/* The same for plain text. */
scalar_type scalar_of(const char *s);
/* Decimal digits behind a zero (007), or 0o7: other readers would take them for octal. */
bool scalar_octal(const char *s);
/* yes, no, on, off in YAML 1.1's capitalisations; *value is what it would mean there. */
bool scalar_old_bool(const char *s, bool *value);
/* A description for messages: `the string "32"`, `a list`, `nothing`. */
void scalar_found(const node *n, text *out);

#endif
