/* Owns the wording of a space; must not know where it is shown. */
#include "sweep/describe.h"

#include <math.h>
#include <string.h>

#include "sweep/distribution.h"
#include "sweep/space_rules.h"

enum { VALUE_MAX = 40, VALUES_MAX = 90 }; /* bytes of a value, and of all before the rest is counted */

static void add_value(text *out, const node *n)
{
    text flow = {0};
    if (n->kind == NODE_SCALAR)
        text_add(&flow, n->s);
    else
        tree_write_flow(n, &flow);
    text_safe(out, text_str(&flow), VALUE_MAX);
    text_free(&flow);
}

static void add_choices(const space *s, size_t i, text *out)
{
    const space_parameter *p = &s->parameters[i];
    bool listed = i == 0 && s->rules && s->rules->configurations;
    size_t from = out->n;
    for (size_t k = 0; k < p->n; k++) {
        if (k) text_add(out, ", ");
        if (k > 1 && k + 1 < p->n && out->n - from > VALUES_MAX) {
            text_printf(out, "... (%zu values)", p->n);
            return;
        }
        const char *name = listed ? space_rules_name(p->values[k]) : NULL;
        if (name)
            text_safe(out, name, VALUE_MAX);
        else
            add_value(out, listed ? space_rules_set(p->values[k]) : p->values[k]);
        if (p->probabilities) text_printf(out, " (%.3g %%)", 100 * p->probabilities[k]);
    }
}

static void add_range(const space_parameter *p, text *out)
{
    static const char *const words[] = {"",       "uniform",    "log_uniform", "inv_log_uniform",
                                        "normal", "log_normal", "beta"};
    if (p->kind == SPACE_NORMAL || p->kind == SPACE_LOG_NORMAL) {
        text_printf(out, "%s, mu %.6g, sigma %.6g", words[p->kind], p->mu, p->sigma);
    } else if (p->kind == SPACE_BETA) {
        text_printf(out, "beta, a %.6g, b %.6g", p->a, p->b);
    } else {
        text_printf(out, "%.*g to %.*g", p->integer ? 15 : 6, p->min, p->integer ? 15 : 6, p->max);
        if (!p->integer || p->q > 0 || p->kind != SPACE_UNIFORM) text_printf(out, ", %s", words[p->kind]);
    }
    if (p->q > 0)
        text_printf(out, ", in steps of %.6g", p->q);
    else if (p->integer)
        text_add(out, ", whole numbers");
}

static void add_conditions(const space *s, size_t i, text *out)
{
    const space_rules *r = s->rules;
    for (size_t k = 0; r && r->n_when && k < r->n_when[i]; k++) {
        const space_condition *c = &r->when[i][k];
        const char *path = s->parameters[c->parameter].path;
        bool listed = r->configurations && c->parameter == 0;
        text_printf(out, "%s ", k ? " and" : "; when");
        if (!listed || !c->inner) text_safe(out, path, VALUES_MAX);
        if (c->inner) text_printf(out, "%s", listed ? "" : ".");
        if (c->inner) text_safe(out, c->inner, VALUES_MAX);
        text_add(out, " is ");
        for (size_t v = 0; v < c->n; v++) {
            if (v) text_add(out, " or ");
            add_value(out, c->values[v]);
        }
    }
}

void describe_parameter(const space *s, size_t i, text *out)
{
    const space_parameter *p = &s->parameters[i];
    if (p->kind == SPACE_CHOICE)
        add_choices(s, i, out);
    else
        add_range(p, out);
    size_t leader = space_rules_leader(s, i);
    if (leader != i) text_printf(out, "; together with %s", s->parameters[leader].path);
    add_conditions(s, i, out);
}

void describe_early(const space *s, text *out)
{
    const early_rule *r = &s->early;
    long long min = (long long)r->min_iter, max = (long long)r->max_iter;
    switch (r->kind) {
    case EARLY_NONE:
        break;
    case EARLY_MEDIAN:
        text_printf(out,
                    "median of the completed configurations before, after %lld of them, from epoch %lld on",
                    (long long)r->startup, (long long)r->warmup + 1);
        if (r->interval > 1) text_printf(out, ", every %lld epochs", (long long)r->interval);
        break;
    case EARLY_HYPERBAND_WANDB:
        if (min)
            text_printf(out,
                        "W&B's hyperband: at epoch %lld and %.6g times as far each time, one in %.6g goes on",
                        min, r->eta, r->eta);
        else
            text_printf(out, "W&B's hyperband: at %lld divided by %.6g, %lld times, one in %.6g goes on", max,
                        r->eta, (long long)r->s, r->eta);
        break;
    case EARLY_HALVING:
    case EARLY_HYPERBAND:
        text_printf(out, "%s: from epoch %lld on, %.6g times as far each time, one in %.6g%s goes on",
                    r->kind == EARLY_HALVING ? "successive halving" : "Hyperband's brackets", min ? min : 1,
                    r->eta, r->eta, r->kind == EARLY_HALVING ? " of all" : " of its bracket");
        break;
    case EARLY_ASHA:
        text_printf(out,
                    "asha: from epoch %lld on, %.6g times as far each time, one in %.6g of those that came "
                    "there goes on",
                    min ? min : 1, r->eta, r->eta);
        break;
    }
}

static void add_factor(text *out, size_t n, const char *what, bool *any)
{
    if (n <= 1) return;
    text_add(out, *any ? " x " : ": ");
    text_count(out, (int64_t)n);
    text_printf(out, " %s", what);
    *any = true;
}

void describe_trials(size_t trials, int64_t seeds, int64_t folds, text *out)
{
    const size_t each = (size_t)(seeds > 1 ? seeds : 1) * (size_t)(folds > 1 ? folds : 1);
    bool any = false;
    text_count(out, (int64_t)trials);
    text_add(out, trials == 1 ? " trial" : " trials");
    if (each <= 1 || trials % each) return;
    add_factor(out, trials / each, "configurations", &any);
    if (seeds > 1) add_factor(out, (size_t)seeds, "seeds", &any);
    if (folds > 1) add_factor(out, (size_t)folds, "folds", &any);
}
