/* Owns the calls of an optimizer under observation; must not know which property a check is after. */
#include "check/optimizer_bed.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "train/wrapped.h"

bool optimizer_bed_open(optimizer_bed *b, const specimen *s, const specimen_config *c, bool twin, uint32_t id)
{
    *b = (optimizer_bed){.d = twin ? s->twin : s->d, .config = twin ? c->twin : c->own, .factor = 1};
    b->type = b->d->type;
    b->host = host_make(&b->e, CVY_ERR_PLUGIN, NULL, 1, "optimizer");
    b->n = OPTIMIZER_BED_N;
    if (!b->config) return false;
    arena a = {0};
    const char *names[CVY_MAX_SLOTS];
    const cvy_child whole = {b->d, b->config};
    size_t n = wrapped_slots(&whole, &a, names);
    arena_free(&a);
    b->n_slots = n < CVY_MAX_SLOTS ? (int)n : CVY_MAX_SLOTS;
    for (int64_t i = 0; i < b->n; i++) b->w[i] = specimen_number(id, (uint64_t)i);
    return n <= CVY_MAX_SLOTS;
}

void optimizer_bed_close(optimizer_bed *b)
{
    errors_free(&b->e);
    *b = (optimizer_bed){0};
}

void optimizer_bed_gradient(uint32_t id, int64_t step, double *g)
{
    for (int i = 0; i < OPTIMIZER_BED_N; i++) g[i] = specimen_number(id * 1000 + (uint32_t)step, (uint64_t)i);
}

static void watch(verdict *v, guarded *g, const char *name, double *to, const double *was)
{
    int64_t at;
    if (v && guarded_broken(g, &at)) verdict_fail(v, "update writes outside %s, at byte %" PRId64, name, at);
    at = was ? guarded_changed(g, was) : -1;
    if (v && at >= 0)
        verdict_number(v, name, at, guarded_get(g, at), was[at], "update changes %s, which it may only read",
                       name);
    for (int64_t i = 0; to && i < g->count; i++) {
        to[i] = guarded_get(g, i);
        if (v && !isfinite(to[i])) {
            verdict_number(v, name, i, to[i], 0, "update gives a number that is not finite");
            v = NULL;
        }
    }
    guarded_free(g);
}

/* Elements begin .. begin+n-1 by one call. */
static void piece(optimizer_bed *b, const double *g, int64_t begin, int64_t n, verdict *v)
{
    size_t real = b->d->real_size;
    guarded w = guarded_of(real, n, b->w + begin), gradient = guarded_of(real, n, g + begin),
            slots[CVY_MAX_SLOTS];
    void *pointers[CVY_MAX_SLOTS + 1] = {NULL};
    for (int i = 0; i < b->n_slots; i++) {
        slots[i] = guarded_of(real, n, b->slots[i] + begin);
        pointers[i] = slots[i].data;
    }
    cvy_update u = {.host = &b->host.face,
                    .n = n,
                    .step = b->step,
                    .lr_factor = b->factor,
                    .w = w.data,
                    .g = gradient.data,
                    .slots = (cvy_real *const *)(void *)pointers};
    b->failed = b->type->update(&u, b->config) != 0 || b->failed;
    watch(v, &w, "w", b->w + begin, NULL);
    watch(v, &gradient, "gradient", NULL, g + begin);
    for (int i = 0; i < b->n_slots; i++) {
        char name[32];
        snprintf(name, sizeof name, "slot %d", i);
        watch(v, &slots[i], name, b->slots[i] + begin, NULL);
    }
}

void optimizer_bed_step(optimizer_bed *b, const double *g, int pieces, verdict *v)
{
    b->step++;
    for (int i = 0; i < pieces; i++) {
        int64_t begin = b->n * i / pieces, end = b->n * (i + 1) / pieces;
        if (begin < end) piece(b, g, begin, end - begin, v);
    }
}

static bool same(const double *a, const double *b, int64_t n, double tolerance, verdict *v, const char *name,
                 const char *what)
{
    for (int64_t i = 0; i < n; i++) {
        if (a[i] == b[i] || fabs(a[i] - b[i]) <= tolerance * (1e-2 + fabs(b[i]))) continue;
        verdict_number(v, name, i, a[i], b[i], "%s", what);
        return false;
    }
    return true;
}

bool optimizer_bed_same(const optimizer_bed *f, const optimizer_bed *e, double tolerance, verdict *v,
                        const char *what)
{
    if (!same(f->w, e->w, f->n, tolerance, v, "w", what)) return false;
    for (int k = 0; k < f->n_slots; k++) {
        char name[32];
        snprintf(name, sizeof name, "slot %d", k);
        if (!same(f->slots[k], e->slots[k], f->n, tolerance, v, name, what)) return false;
    }
    return true;
}
