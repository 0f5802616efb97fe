/* Owns which metrics runs have curves of; must not know what is drawn of them. */
#include "report/chart_metrics.h"

#include <string.h>

bool chart_metrics_has(const char *const *names, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(names[i], name)) return true;
    return false;
}

cvy_status chart_metrics(store *s, const groups *g, size_t from, size_t end, arena *a, const char ***out,
                         size_t *n_out, errors *e)
{
    const char **names = NULL;
    size_t n = 0, cap = 0;
    cvy_status status = CVY_OK;
    for (size_t i = from; i < end; i++)
        for (size_t k = 0; k < g->items[i].n && status == CVY_OK; k++) {
            const char **own;
            size_t n_own = 0;
            arena of_run = {0};
            status = query_metric_names(s, g->items[i].runs[k]->name, &of_run, &own, &n_own, e);
            for (size_t m = 0; m < n_own; m++) {
                if (chart_metrics_has(names, n, own[m])) continue;
                names = MEM_GROW(names, n, &cap);
                names[n++] = arena_text(a, own[m]);
            }
            arena_free(&of_run);
        }
    *out = arena_array(a, n + 1, sizeof **out);
    if (n) memcpy(*out, names, n * sizeof *names);
    *n_out = n;
    mem_free(names);
    return status;
}
