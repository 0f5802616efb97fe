/* Owns the judgement over a sweep's metric; must not know where the names that are logged come from. */
#include "cli/metric_asked.h"

#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "config/suggest.h"

/* Whether it is among the names, which stand between spaces. */
static bool is_named(const char *names, const char *name)
{
    const size_t n = strchr(name, ' ') ? 0 : strlen(name);
    for (const char *s = names; n && (s = strstr(s, name)); s += n)
        if ((s == names || s[-1] == ' ') && s[n] == ' ') return true;
    return false;
}

void metric_asked_hear(metric_asked *m, const space_metric *metric, const char *names, bool more)
{
    m->looked++;
    m->unlogged += !is_named(names, metric->name);
    m->more = m->more || more;
    mem_free(m->names);
    m->names = mem_text(names);
}

/* The metric's likely name among those that are logged; NULL. */
static const char *near(const metric_asked *m, const char *name, arena *a)
{
    const char *names[64];
    size_t n = 0;
    for (const char *s = m->names; *s && n < sizeof names / sizeof *names; n++) {
        const size_t length = strcspn(s, " ");
        names[n] = arena_printf(a, "%.*s", (int)length, s);
        s += length + (s[length] == ' ');
    }
    return suggest_near(a, name, names, n);
}

cvy_status metric_asked_judge(const metric_asked *m, const space_metric *metric, const space_metric *usual,
                              const place *at, errors *e)
{
    if (!m->unlogged) return CVY_OK;
    arena a = {0};
    cvy_status status = CVY_OK;
    const char *shown = suggest_shown(&a, metric->name), *hint = near(m, metric->name, &a);
    if (m->more) { /* those are known once they are logged */
        errors_warn(e, at, hint, "sweep: metric: no metric of Convoy is called \"%s\"", shown);
    } else if (m->unlogged < m->looked) {
        errors_warn(e, at, hint, "sweep: metric: %zu of %zu trials do not log %s", m->unlogged, m->looked,
                    shown);
    } else {
        const bool classless = text_ends(metric->name, "_accuracy") && !usual->maximize;
        if (!hint || classless) hint = arena_printf(&a, "write {name: %s}", usual->name);
        status = errors_add(e, CVY_ERR_CONFIG, at, hint, "sweep: metric: %s %s", shown,
                            classless ? "is not logged where the output is not compared with classes"
                                      : "is logged by no trial");
    }
    arena_free(&a);
    return status;
}

void metric_asked_free(metric_asked *m)
{
    mem_free(m->names);
    *m = (metric_asked){0};
}
