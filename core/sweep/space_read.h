/* What the files that read `sweep:` share. */
#ifndef SWEEP_SPACE_READ_H
#define SWEEP_SPACE_READ_H

#include "sweep/space.h"
#include "sweep/space_rules.h"

/* `when:` of a parameter and of the maps around it, until all parameters are known. */
typedef struct space_when {
    const node *n;
    const struct space_when *outer;
} space_when;

typedef struct space_alias {
    const char *name, *path;
    place at;
    bool used;
} space_alias;

typedef struct space_reader {
    const experiment *x;
    arena *a;
    space *out;
    errors *e;
    bool grid;
    bool unknown; /* the method is missing or none of ours */
    size_t cap;
    const space_when **whens; /* of each parameter */
    space_alias *aliases;
    size_t n_aliases;
    space_rules *rules;
} space_reader;

/* Messages. */
cvy_status space_read_wrong(const space_reader *r, const place *at, const char *hint, const char *what);
cvy_status space_read_unknown(const space_reader *r, const char *key, const place *at,
                              const char *const *known, size_t n);
cvy_status space_read_expected(const space_reader *r, const node *n, const char *what, const char *hint);
/* A finite number; an integer in a range. */
bool space_read_number(const space_reader *r, const node *n, double *v);
bool space_read_int(const space_reader *r, const node *n, int64_t least, int64_t most, int64_t *v);

/* The path that a name stands for, through `alias:`. */
const char *space_read_path(space_reader *r, const char *name);
/* What may not be swept, and paths that are there twice. */
cvy_status space_read_check_path(const space_reader *r, const char *path, const place *at);
/* Appends a parameter. */
void space_read_add(space_reader *r, const space_parameter *p, const space_when *when);

/* space_parameter.c: `parameters:`. */
cvy_status space_read_parameters(space_reader *r, const node *n);
/* space_conditions.c: `configurations:`, and once all parameters are there `zip:`, `when:` and `where:`; then what a grid under
 * conditions comes to. NULL stands for what is not given. */
cvy_status space_read_configurations(space_reader *r, const node *n);
cvy_status space_read_rules(space_reader *r, const node *zip, const node *where);
void space_list(space_reader *r);
/* space_options.c: `alias:`, `early_terminate:`, `tpe:`. */
cvy_status space_read_aliases(space_reader *r, const node *n);
cvy_status space_read_early(space_reader *r, const node *n);
cvy_status space_read_tpe(space_reader *r, const node *n);

#endif
