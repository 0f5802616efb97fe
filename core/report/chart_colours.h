/* Which colour a group has: the same in all charts that are given one list. */
#ifndef REPORT_CHART_COLOURS_H
#define REPORT_CHART_COLOURS_H

#include "base/memory.h"
#include "report/groups.h"

/* Zeroed it is empty and valid. */
typedef struct chart_colours {
    arena memory;
    const char **names; /* of groups; each has one number of the palette */
    int *numbers;
    size_t n, cap, cap_numbers;
} chart_colours;

void chart_colours_free(chart_colours *c);

/* Colours of n different groups of a chart, the values of the parameter `by` or, with NULL, configurations. A group that was in an
 * earlier chart keeps its own; the others have the first that are nobody's, and whose hue is not in this chart yet while there is
 * one. c NULL: 0, 1, 2, ... */
void chart_colours_give(chart_colours *c, const char *by, const group *const *shown, size_t n, int *out);

#endif
