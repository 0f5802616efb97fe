/* Entries of a parameter table, whichever build of the plugin headers they come from. */
#ifndef CONFIG_PARAMS_TABLE_H
#define CONFIG_PARAMS_TABLE_H

#include "config/params.h"

/* Entry i with fields unknown to its build zeroed, those unknown to this one left out. */
cvy_param params_entry(const params_table *t, size_t i);
/* Bytes of the field that a kind fills; 0 for CVY_PARAM_ALSO and kinds unknown here. */
size_t params_field_size(uint32_t kind);
bool params_ranged(const cvy_param *p); /* whether its kind has a range: numbers and lists of them */
/* Whether min or max says anything. */
bool params_has_min(const cvy_param *p);
bool params_has_max(const cvy_param *p);
/* A limit as a person writes it. */
void params_limit(const cvy_param *p, double limit, text *out);

#endif
