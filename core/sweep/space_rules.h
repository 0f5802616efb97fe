/* What binds the parameters of a space to each other: conditions, constraints, parameters that advance together, and the list
 * of named configurations. Every function is pure and also takes a space without rules. */
#ifndef SWEEP_SPACE_RULES_H
#define SWEEP_SPACE_RULES_H

#include "sweep/space.h"

struct expression;

/* A parameter is active only where all of its conditions hold. */
typedef struct space_condition {
    size_t parameter; /* whose value is looked at */
    const char
        *inner; /* the path inside its value, a map: "type" of train.optimizer; NULL: the value itself */
    const node *const *values;
    size_t n; /* one of them it must be */
    place at;
} space_condition;

typedef struct space_where {
    const struct expression *e;
    place at;
} space_where;

/* Every combination that a grid has under conditions and constraints: indices of choices, SPACE_ABSENT where inactive. */
enum { SPACE_ABSENT = UINT32_MAX };
enum { SPACE_LOOKED_MAX = 1000000 }; /* combinations looked at, for those that `where` leaves */
typedef struct space_listed {
    uint32_t *choices; /* n times the number of parameters */
    size_t n;
    bool more;      /* than are listed */
    bool exhausted; /* too many were looked at for those that `where` leaves */
} space_listed;

typedef struct space_rules {
    const space_condition **when; /* for each parameter */
    const size_t *n_when;
    const size_t *order; /* of the parameters: whoever decides about others before them */
    const size_t
        *leader; /* for each parameter the first that it advances with; outside of every `zip:` itself */
    const space_where *where;
    size_t n_where;
    bool configurations;        /* parameter 0 is the list of them: its values are maps from path to value */
    const space_listed *listed; /* of a grid with conditions or constraints; NULL otherwise */
} space_rules;

/* The path of the parameter that stands for the list of configurations. */
#define SPACE_CONFIGURATIONS "configurations"

/* The number of parameter i's leader; i itself where it is drawn for itself. */
size_t space_rules_leader(const space *s, size_t i);
/* The parameter that comes at place k when those that decide about others come first. */
size_t space_rules_order(const space *s, size_t k);
/* What a condition looks at in a value of its parameter, a choice: NULL where there is no such thing. And whether it is this one. */
const node *space_rules_looked(const space *s, const space_condition *c, const node *v);
bool space_rules_is(const space *s, const space_condition *c, const node *v, const node *wanted);
/* Whether parameter i's conditions hold in a point whose parameters before it in order are settled. */
bool space_rules_active(const space *s, const double *point, size_t i);
/* Gives the members of a `zip:` their leader's choice, and NaN to what is not active. */
void space_rules_settle(const space *s, double *point);
/* The `where:` that refuses a settled point, counted from 0; -1: none. */
int space_rules_refused(const space *s, const double *point);
/* The settings of a configuration in the list `configurations:`, a map; its name, or NULL. */
const node *space_rules_set(const node *configuration);
const char *space_rules_name(const node *configuration);

#endif
