/* An argument table over getopt_long: fills structs, checks numbers, says what an unknown flag may have
 * meant. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "cli/cli.h"

typedef struct option_table {
    const option_row *rows;
    size_t n;
    void *into; /* zeroed; every row's field is filled */
} option_table;

/* The rows that fill a `common`. */
extern const option_row options_common[];
extern const size_t options_common_n;

/* Reads argv[1] to argv[argc-1]. Operands and options may be mixed; behind `--` all is operand. `leading`:
 * stops at the first operand instead and takes all the rest as operands. `operands` has room for argc
 * pointers; gets a NULL behind the last. Returns their number. All errors are reported; values point into
 * argv. */
int options_read(const option_table *tables, size_t n, bool leading, int argc, char **argv, char **operands,
                 errors *e);
void options_free(const option_table *tables, size_t n); /* the lists */

/* Fills what depends on more than one argument: --color's three words, CONVOY_RESULTS. */
void options_finish(common *c, errors *e);

/* "--dry-run", for messages and help; at most 63 bytes. */
void options_name(const option_row *row, char name[64]);

#endif
