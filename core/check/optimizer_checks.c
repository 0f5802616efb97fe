/* Owns the checks of optimizers; must not know how they are called. */
#include "check/optimizer_checks.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "check/growth.h"
#include "check/optimizer_bed.h"
#include "config/params.h"
#include "train/wrapped.h"

#define STEPS 6

/* fn on each configuration that update() accepts. */
typedef void config_fn(specimen *s, const specimen_config *c, verdict *v);

static bool usable(const specimen *s, const specimen_config *c)
{
    optimizer_bed b;
    double g[OPTIMIZER_BED_N];
    bool ok = optimizer_bed_open(&b, s, c, false, 1);
    optimizer_bed_gradient(1, 1, g);
    if (ok) optimizer_bed_step(&b, g, 1, NULL);
    ok = ok && !b.failed; /* parameters may exclude each other */
    optimizer_bed_close(&b);
    return ok;
}

static void each_config(specimen *s, verdict *v, config_fn *fn)
{
    specimen_configure(s);
    for (size_t i = 0; i < s->n_configs; i++) {
        if (!usable(s, &s->configs[i])) continue;
        verdict_at(v, s->configs[i].text);
        fn(s, &s->configs[i], v);
    }
}

static void run(optimizer_bed *b, int64_t steps, uint32_t id, int pieces, verdict *v)
{
    double g[OPTIMIZER_BED_N];
    for (int64_t i = 0; i < steps; i++) {
        optimizer_bed_gradient(id, b->step + 1, g);
        optimizer_bed_step(b, g, pieces, v);
    }
}

/* ---- slots ---- */

static void check_slots(specimen *s, const specimen_config *c, verdict *v)
{
    const cvy_optimizer *o = s->d->type;
    const char *const *names = o->slots(c->own), *const *again = o->slots(c->own);
    if (!names) return;
    for (int i = 0; names[i]; i++) {
        if (i >= CVY_MAX_SLOTS) {
            verdict_fail(v, "more than %d slots", CVY_MAX_SLOTS);
            return;
        }
        if (!*names[i]) verdict_fail(v, "slot %d has no name", i);
        if (!again || !again[i] || strcmp(names[i], again[i]) != 0)
            verdict_fail(v, "slots gives other names the second time");
        for (int k = 0; k < i; k++)
            if (!strcmp(names[k], names[i])) verdict_fail(v, "two slots are called \"%s\"", names[i]);
    }
}

void optimizer_checks_slots(specimen *s, verdict *v)
{
    specimen_configure(s);
    if (!s->n_configs) {
        verdict_errors(v, &s->refused);
        verdict_fail(v, "no configuration could be made: name one with --config");
        return;
    }
    each_config(s, v, check_slots);
    if (v->cases) return;
    optimizer_bed b;
    double g[OPTIMIZER_BED_N];
    optimizer_bed_gradient(1, 1, g);
    if (optimizer_bed_open(&b, s, &s->configs[0], false, 1)) optimizer_bed_step(&b, g, 1, NULL);
    verdict_fail(v, "update fails: %s", b.e.n ? b.e.items[0].what : "without saying why");
    optimizer_bed_close(&b);
}

/* ---- calls ---- */

static void check_calls(specimen *s, const specimen_config *c, verdict *v)
{
    optimizer_bed b;
    if (optimizer_bed_open(&b, s, c, false, 2)) run(&b, STEPS, 2, 1, v);
    optimizer_bed_close(&b);
    if (optimizer_bed_open(&b, s, c, false, 2)) {
        b.n = 1;
        run(&b, STEPS, 2, 1, v);
    }
    optimizer_bed_close(&b);
}

void optimizer_checks_calls(specimen *s, verdict *v)
{
    each_config(s, v, check_calls);
}

static void check_pieces(specimen *s, const specimen_config *c, verdict *v)
{
    static const int pieces[] = {2, 5, OPTIMIZER_BED_N};
    const cvy_child all = {s->d, c->own};
    if (!wrapped_elementwise(&all)) return;
    optimizer_bed whole, b;
    optimizer_bed_open(&whole, s, c, false, 3);
    run(&whole, STEPS, 3, 1, NULL);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        optimizer_bed_open(&b, s, c, false, 3);
        run(&b, STEPS, 3, pieces[i], NULL);
        optimizer_bed_same(
            &b, &whole, 0, v,
            "declares itself elementwise and gives other numbers when called on pieces of a tensor");
        optimizer_bed_close(&b);
    }
    optimizer_bed_close(&whole);
}

void optimizer_checks_elementwise(specimen *s, verdict *v)
{
    const cvy_optimizer *o = s->d->type;
    if (o->elementwise)
        each_config(s, v, check_pieces); /* where what is wrapped is so too */
    else
        verdict_skip(v, "not declared");
}

/* ---- state ---- */

/* Another tensor updated between the steps, and a new instance that goes on from weights, slots and step number. */
static void check_hidden(specimen *s, const specimen_config *c, verdict *v)
{
    optimizer_bed alone, mixed, other;
    optimizer_bed_open(&alone, s, c, false, 4);
    optimizer_bed_open(&mixed, s, c, false, 4);
    optimizer_bed_open(&other, s, c, false, 5);
    run(&alone, STEPS, 4, 1, NULL);
    for (int i = 0; i < STEPS; i++) {
        run(&mixed, 1, 4, 1, NULL);
        run(&other, 1, 5, 1, NULL);
    }
    if (optimizer_bed_same(
            &mixed, &alone, 0, v,
            "another tensor updated in between changes this one: state is kept outside the slots")) {
        optimizer_bed copy = alone;
        copy.e = (errors){0};
        copy.host = host_make(&copy.e, CVY_ERR_PLUGIN, NULL, 1, "optimizer");
        run(&alone, STEPS, 4, 1, NULL);
        run(&other, STEPS, 5, 1, NULL);
        run(&copy, STEPS, 4, 1, NULL);
        optimizer_bed_same(&copy, &alone, 0, v,
                           "going on from saved weights, slots and step gives other numbers");
        optimizer_bed_close(&copy);
    }
    optimizer_bed_close(&alone);
    optimizer_bed_close(&mixed);
    optimizer_bed_close(&other);
}

void optimizer_checks_hidden(specimen *s, verdict *v)
{
    each_config(s, v, check_hidden);
}

static void check_repeat(specimen *s, const specimen_config *c, verdict *v)
{
    optimizer_bed first, b;
    optimizer_bed_open(&first, s, c, false, 6);
    run(&first, STEPS, 6, 1, NULL);
    for (int i = 0; i < 3; i++) {
        optimizer_bed_open(&b, s, c, false, 6);
        run(&b, STEPS, 6, 1, NULL);
        optimizer_bed_same(&b, &first, 0, v, "the same steps again give other numbers");
        optimizer_bed_close(&b);
    }
    optimizer_bed_close(&first);
}

void optimizer_checks_repeat(specimen *s, verdict *v)
{
    each_config(s, v, check_repeat);
}

/* ---- what an update does ---- */

void optimizer_checks_first(specimen *s, verdict *v)
{
    optimizer_bed b;
    double g[OPTIMIZER_BED_N], was[OPTIMIZER_BED_N], along = 0;
    specimen_configure(s);
    verdict_at(v, s->configs[0].text);
    optimizer_bed_open(&b, s, &s->configs[0], false, 7);
    memcpy(was, b.w, sizeof was);
    optimizer_bed_gradient(7, 1, g);
    optimizer_bed_step(&b, g, 1, v);
    for (int i = 0; i < OPTIMIZER_BED_N; i++) along += g[i] * (b.w[i] - was[i]);
    if (!(along < 0))
        verdict_fail(v, "the first step does not go downhill: gradient times step is %g, expected below 0",
                     along);
    optimizer_bed_close(&b);
}

/* The plainest configuration with its weight decay, where it has one, at 0. */
static const specimen_config *without_decay(specimen *s, specimen_config *to)
{
    *to = s->configs[0];
    params_table t = params_of(s->d, (void *)(uintptr_t)to->own);
    double decay;
    if (!params_number(&t, "weight_decay", &decay) || decay == 0) return to;
    node *map = tree_copy(&s->memory, to->params);
    place nowhere = PLACE_NONE;
    text flow = {0};
    errors e = {0};
    node_put(&s->memory, map, "weight_decay", &nowhere, tree_scalar(&s->memory, "0", false, &nowhere));
    tree_write_flow(map, &flow);
    to->own = specimen_fill(s, s->d, text_str(&flow), NULL, &e);
    to->text = arena_text(&s->memory, text_str(&flow));
    text_free(&flow);
    errors_free(&e);
    return to->own ? to : &s->configs[0];
}

void optimizer_checks_zero(specimen *s, verdict *v)
{
    optimizer_bed b, start;
    double zero[OPTIMIZER_BED_N] = {0};
    specimen_config plainest;
    specimen_configure(s);
    const specimen_config *c = without_decay(s, &plainest);
    verdict_at(v, c->text);
    optimizer_bed_open(&start, s, c, false, 8);
    optimizer_bed_open(&b, s, c, false, 8);
    for (int i = 0; i < 3; i++) optimizer_bed_step(&b, zero, 1, v);
    for (int i = 0; i < OPTIMIZER_BED_N && v->status == VERDICT_PASSED; i++)
        if ((float)b.w[i] != (float)start.w[i])
            verdict_number(v, "w", i, b.w[i], start.w[i],
                           "gradients of zero from the start on move the weights");
    optimizer_bed_close(&b);
    optimizer_bed_close(&start);
}

/* Half the factor is half the learning rate. */
void optimizer_checks_factor(specimen *s, verdict *v)
{
    double lr;
    specimen_configure(s);
    const specimen_config *c = &s->configs[0];
    params_table t = params_of(s->d, (void *)(uintptr_t)c->own);
    if (!params_number(&t, "lr", &lr)) {
        verdict_skip(v, "it has no parameter \"lr\"");
        return;
    }
    node *map = tree_copy(&s->memory, c->params);
    place nowhere = PLACE_NONE;
    text value = {0}, flow = {0};
    errors e = {0};
    text_double(&value, lr / 2);
    node_put(&s->memory, map, "lr", &nowhere, tree_scalar(&s->memory, text_str(&value), false, &nowhere));
    tree_write_flow(map, &flow);
    specimen_config half = {.text = text_str(&flow),
                            .own = specimen_fill(s, s->d, text_str(&flow), NULL, &e)};
    verdict_at(v, c->text);
    if (half.own) {
        optimizer_bed a, b;
        optimizer_bed_open(&a, s, c, false, 9);
        optimizer_bed_open(&b, s, &half, false, 9);
        a.factor = 0.5;
        run(&a, STEPS, 9, 1, NULL);
        run(&b, STEPS, 9, 1, NULL);
        optimizer_bed_same(&a, &b, 1e-4, v, "lr_factor 0.5 is not half the learning rate");
        optimizer_bed_close(&a);
        optimizer_bed_close(&b);
    }
    text_free(&value);
    text_free(&flow);
    errors_free(&e);
}

static void check_twin(specimen *s, const specimen_config *c, verdict *v)
{
    optimizer_bed f, d;
    if (!c->twin) {
        verdict_fail(v, "the double twin refuses this configuration");
        return;
    }
    optimizer_bed_open(&f, s, c, false, 10);
    optimizer_bed_open(&d, s, c, true, 10);
    run(&f, STEPS, 10, 1, NULL);
    run(&d, STEPS, 10, 1, NULL);
    optimizer_bed_same(&f, &d, 1e-3, v, "float and its double twin differ");
    optimizer_bed_close(&f);
    optimizer_bed_close(&d);
}

void optimizer_checks_twin(specimen *s, verdict *v)
{
    if (s->twin)
        each_config(s, v, check_twin);
    else
        verdict_skip(v, "it has no double twin");
}

static void whole_life(void *ctx)
{
    specimen *s = ctx;
    optimizer_bed b;
    optimizer_bed_open(&b, s, &s->configs[0], false, 11);
    run(&b, 1, 11, 1, NULL);
    optimizer_bed_close(&b);
}

void optimizer_checks_growth(specimen *s, verdict *v)
{
    specimen_configure(s);
    verdict_at(v, s->configs[0].text);
    growth_check(v, "slots and update", whole_life, s, 1000);
}
