/* Owns the reading of the planning child's lines; must not know how that child is run. */
#include "sweep/plan.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/memory.h"

static void read_metrics(const json *v, plan *out)
{
    const json *list = json_get(v, "metrics");
    text names = {0};
    for (size_t i = 0; list && list->kind == JSON_ARRAY && i < list->n; i++)
        if (list->items[i]->kind == JSON_TEXT) text_printf(&names, "%s ", list->items[i]->s);
    out->metrics = text_take(&names);
    out->more_metrics = json_get_bool(v, "more_metrics", true);
}

static bool read_planned(const json *v, plan *out)
{
    const json *parameters = json_get(v, "parameters"), *data = json_get(v, "dataset");
    const char *spec = json_get_text(v, "spec", NULL), *hash = json_get_text(v, "config_hash", NULL),
               *key = json_get_text(v, "exact_key", NULL);
    if (!spec || !hash || !*hash || !key) return false;
    out->experiment = mem_text(json_get_text(v, "experiment", ""));
    out->config_hash = mem_text(hash);
    out->exact_key = mem_text(key);
    out->model = mem_text(json_get_text(v, "model", ""));
    out->seed = json_get_int(v, "seed", 0);
    out->fold = json_get_int(v, "fold", 0);
    out->epochs = json_get_int(v, "epochs", 0);
    out->steps_per_epoch = json_get_int(v, "steps_per_epoch", 0);
    out->train_samples = json_get_int(data, "train", 0);
    out->macs = json_get_int(v, "macs", 0);
    out->parameters = json_get_int(parameters, "total", 0);
    out->memory_bytes = json_get_int(v, "memory_bytes", 0);
    out->checkpoint_bytes = json_get_int(v, "checkpoint_bytes", 0);
    out->validation_samples = json_get_int(data, "validation", 0);
    out->test_samples = json_get_int(data, "test", 0);
    const json *probe = json_get(v, "probe");
    out->start_seconds = json_get_double(probe, "start_seconds", 0);
    out->step_seconds = json_get_double(probe, "step_seconds", 0);
    out->sample_seconds = json_get_double(probe, "evaluation_seconds", 0);
    out->accuracy = json_get_bool(v, "accuracy", true);
    out->average = json_get_bool(v, "average", false);
    read_metrics(v, out);
    return true;
}

bool plan_take(const json *v, plan *out)
{
    const json *ok = json_get(v, "ok");
    plan p = {0};
    bool good = ok && ok->kind == JSON_BOOL;
    if (!good) return false;
    const json *problems = json_get(v, "errors");
    if (problems && problems->kind == JSON_ARRAY) errors_read_json(&p.problems, problems);
    if (ok->b) {
        good = read_planned(v, &p) && errors_status(&p.problems) == CVY_OK;
    } else {
        int64_t status = json_get_int(v, "status", 0);
        p.status = status > 0 && status < 256 ? (cvy_status)status : CVY_ERR_CONFIG;
        if (!errors_count(&p.problems))
            errors_add(&p.problems, p.status, NULL, NULL,
                       "the trial cannot be run; planning did not say why");
    }
    if (good)
        *out = p;
    else
        plan_free(&p);
    return good;
}

bool plan_read(const char *line, size_t n, plan *out)
{
    arena a = {0};
    const json *v = n ? json_parse(&a, line, n, NULL, NULL) : NULL;
    const bool good = v && plan_take(v, out);
    if (good && out->status == CVY_OK) out->line = mem_text_n(line, n);
    arena_free(&a);
    return good;
}

plan_key plan_key_of(const char *config_hash)
{
    plan_key k = {{0}};
    if (!config_hash || !*config_hash) return k;
    sha256 sum;
    char hex[65];
    sha256_init(&sum);
    sha256_add(&sum, config_hash, strlen(config_hash));
    sha256_hex(&sum, hex);
    for (size_t i = 0; i < sizeof k.b; i++) {
        const char two[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        k.b[i] = (unsigned char)strtoul(two, NULL, 16);
    }
    return k;
}

bool plan_key_equal(const plan_key *a, const plan_key *b)
{
    return !memcmp(a->b, b->b, sizeof a->b);
}

bool plan_key_none(const plan_key *k)
{
    static const plan_key none;
    return plan_key_equal(k, &none);
}

plan plan_failed(cvy_status status, const char *hint, const char *fmt, ...)
{
    plan p = {.status = status};
    text what = {0};
    va_list ap;
    va_start(ap, fmt);
    text_vprintf(&what, fmt, ap);
    va_end(ap);
    errors_add(&p.problems, status, NULL, hint, "%s", text_str(&what));
    text_free(&what);
    return p;
}

void plan_free(plan *p)
{
    errors_free(&p->problems);
    mem_free(p->line);
    mem_free(p->experiment);
    mem_free(p->config_hash);
    mem_free(p->metrics);
    mem_free(p->exact_key);
    mem_free(p->model);
    *p = (plan){0};
}
