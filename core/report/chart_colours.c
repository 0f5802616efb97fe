/* Owns how groups come to their colours; must not know what a colour looks like, nor what is drawn in it. */
#include "report/chart_colours.h"

#include <string.h>

#include "report/figure.h"

enum { NONE = -1 };

void chart_colours_free(chart_colours *c)
{
    mem_free(c->names);
    mem_free(c->numbers);
    arena_free(&c->memory);
    *c = (chart_colours){0};
}

static int known(const chart_colours *c, const char *name)
{
    for (size_t i = 0; i < c->n; i++)
        if (!strcmp(c->names[i], name)) return c->numbers[i];
    return NONE;
}

/* The first number that is nobody's, and of a hue that is not taken, unless all are. */
static int first_free(const chart_colours *c, const bool *hues)
{
    bool all = true;
    for (size_t i = 0; i < FIGURE_COLOURS; i++) all = all && hues[i];
    for (int number = 0;; number++) {
        bool given = !all && hues[number % FIGURE_COLOURS];
        for (size_t i = 0; i < c->n && !given; i++) given = c->numbers[i] == number;
        if (!given) return number;
    }
}

static void keep(chart_colours *c, const char *name, int number)
{
    c->names = MEM_GROW(c->names, c->n, &c->cap);
    c->numbers = MEM_GROW(c->numbers, c->n, &c->cap_numbers);
    c->names[c->n] = name;
    c->numbers[c->n++] = number;
}

void chart_colours_give(chart_colours *c, const char *by, const group *const *shown, size_t n, int *out)
{
    bool hues[FIGURE_COLOURS] = {false};
    if (!c) {
        for (size_t i = 0; i < n; i++) out[i] = (int)i;
        return;
    }
    /* A group is known by its first run: labels are shortened as each chart needs it. */
    const char **names = mem_array(n + 1, sizeof *names);
    for (size_t i = 0; i < n; i++) {
        names[i] = arena_printf(&c->memory, "%s=%s", by ? by : "", shown[i]->runs[0]->name);
        out[i] = known(c, names[i]);
        if (out[i] != NONE) hues[out[i] % FIGURE_COLOURS] = true;
    }
    for (size_t i = 0; i < n; i++) {
        if (out[i] != NONE) continue;
        out[i] = first_free(c, hues);
        hues[out[i] % FIGURE_COLOURS] = true;
        keep(c, names[i], out[i]);
    }
    mem_free(names);
}
