/* Looks at the filters and the responses of layers, and records what it finds. Must not know when it is time to. */
#include "train/units.h"

#include <math.h>
#include <string.h>

#include "train/lens.h"
#include "train/tensor_stats.h"

/* ---- which layers ---- */

/* The weight that has a filter for each unit of the output; -1. */
static int units_kernels(const net *n, const net_node *unit)
{
    for (int k = 0; k < unit->n_weights; k++) {
        const cvy_shape *shape = &n->weights[unit->first_weight + k].shape;
        if (shape->rank >= 2 && unit->out.rank >= 2 && shape->dim[0] == unit->out.dim[1])
            return unit->first_weight + k;
    }
    return -1;
}

/* Through whatever works channel by channel: a unit is dead behind it where it was dead before. */
static int units_response(const net *n, int from)
{
    int response = -1, at = from;
    for (int next; (next = lens_reader(n, at)) >= 0; at = next) {
        const net_node *unit = &n->nodes[next], *before = &n->nodes[at];
        if (unit->n_in != 1 || units_kernels(n, unit) >= 0 || unit->out.rank != before->out.rank ||
            unit->out.dim[1] != before->out.dim[1])
            break;
        if (unit->n_weights == 0 && cvy_shape_same(&unit->out, &before->out)) response = next;
    }
    return response;
}

units_layer *units_layers(const net *n, size_t *n_layers)
{
    units_layer *out = mem_array(n->n_nodes, sizeof *out);
    *n_layers = 0;
    for (size_t i = 1; i < n->n_nodes; i++) {
        const int weight = units_kernels(n, &n->nodes[i]);
        if (weight < 0) continue;
        out[(*n_layers)++] = (units_layer){.node = (int)i,
                                           .weight = weight,
                                           .response = units_response(n, (int)i),
                                           .units = n->nodes[i].out.dim[1],
                                           .cosine = (double)NAN,
                                           .dead = -1};
    }
    return out;
}

void units_compare(units_layer *layers, size_t n, const state *s)
{
    for (size_t i = 0; i < n; i++) {
        const net_tensor *t = &s->net->weights[layers[i].weight];
        layers[i].cosine = tensor_cosine(s->weights + t->offset, t->shape.dim[0], t->count / t->shape.dim[0]);
    }
}

/* ---- what never fires ---- */

typedef struct units_range {
    float *low, *high; /* (units) */
} units_range;

typedef struct units_count {
    units_layer *layers;
    size_t n;
    int *nodes;        /* responses, of the layers that have one */
    size_t *of;        /* their layers */
    units_range *seen; /* beside them */
    size_t n_nodes;
    lens lens;
    cvy_shape sample; /* that the lens is for */
    float *x;
} units_count;

static void units_see(units_range *r, const float *v, const cvy_shape *shape, int64_t samples, bool first)
{
    const int64_t units = shape->dim[1], positions = cvy_count(shape) / (shape->dim[0] * units);
    for (int64_t i = 0; i < samples; i++)
        for (int64_t u = 0; u < units; u++) {
            const float *from = v + (i * units + u) * positions;
            if (first && i == 0) r->low[u] = r->high[u] = from[0];
            for (int64_t p = 0; p < positions; p++) {
                if (from[p] < r->low[u]) r->low[u] = from[p];
                if (!(from[p] <= r->high[u])) r->high[u] = from[p]; /* not a number is no death */
            }
        }
}

static cvy_status units_batch(units_count *c, stepper *w, const batch *b, int64_t most, int64_t taken,
                              errors *e)
{
    const int64_t each = cvy_count(&b->shape);
    cvy_status status = CVY_OK;
    if (!c->lens.plan || !cvy_shape_same(&c->sample, &b->shape)) {
        size_t floats;
        lens_close(&c->lens);
        mem_free(c->x);
        c->sample = b->shape;
        c->x = size_mul((size_t)most, (size_t)each, &floats) ? mem_try(floats, sizeof *c->x) : NULL;
        if (!c->x) return errors_add(e, CVY_ERR_RESOURCE, NULL, NULL, "not enough memory for a batch");
        status = lens_open(&c->lens, w->s->net, w->state, c->nodes, c->n_nodes, &b->shape, most, false, e);
    }
    if (status) return status;
    memcpy(c->x, b->x, (size_t)(b->n * each) * sizeof *c->x);
    status = lens_look(&c->lens, c->x, e);
    for (size_t k = 0; k < c->n_nodes && !status; k++)
        units_see(&c->seen[k], c->lens.values[k], &c->lens.shapes[k], b->n, taken == 0);
    return status;
}

static cvy_status units_batches(units_count *c, stepper *w, data_part part, int64_t samples, int64_t *seen,
                                errors *e)
{
    enum { AT_ONCE = 64 };
    const int64_t limit = samples < AT_ONCE ? samples : AT_ONCE,
                  most = limit < w->evaluation_batch ? limit : w->evaluation_batch;
    const batch *b;
    cvy_status status = CVY_OK;
    *seen = 0;
    loader_start(w->loader, part, 0, most, 0);
    while (!status && *seen < samples && (b = loader_next(w->loader, e))) {
        if (b->copy > 0) continue;
        status = units_batch(c, w, b, most, *seen, e);
        *seen += b->n;
    }
    loader_stop(w->loader);
    return status ? status : errors_status(e);
}

cvy_status units_count_dead(units_layer *layers, size_t n, stepper *w, data_part part, int64_t samples,
                            int64_t *seen, errors *e)
{
    units_count c = {.layers = layers, .n = n};
    c.nodes = mem_array(n + 1, sizeof *c.nodes);
    c.of = mem_array(n + 1, sizeof *c.of);
    c.seen = mem_array(n + 1, sizeof *c.seen);
    for (size_t i = 0; i < n; i++) {
        if (layers[i].response < 0) continue;
        c.seen[c.n_nodes] = (units_range){mem_array((size_t)layers[i].units, sizeof(float)),
                                          mem_array((size_t)layers[i].units, sizeof(float))};
        c.of[c.n_nodes] = i;
        c.nodes[c.n_nodes++] = layers[i].response;
    }
    *seen = 0;
    cvy_status status = c.n_nodes ? units_batches(&c, w, part, samples, seen, e) : CVY_OK;
    for (size_t k = 0; k < c.n_nodes; k++) {
        units_layer *l = &layers[c.of[k]];
        if (!status && *seen > 0) l->dead = 0;
        for (int64_t u = 0; u < l->units && l->dead >= 0; u++)
            l->dead += c.seen[k].low[u] == c.seen[k].high[u];
        mem_free(c.seen[k].low);
        mem_free(c.seen[k].high);
    }
    lens_close(&c.lens);
    mem_free(c.x);
    mem_free(c.nodes);
    mem_free(c.of);
    mem_free(c.seen);
    return status;
}

/* ---- over all layers ---- */

double units_dead_share(const units_layer *layers, size_t n)
{
    int64_t dead = 0, units = 0;
    for (size_t i = 0; i < n; i++) {
        if (layers[i].dead < 0) continue;
        dead += layers[i].dead;
        units += layers[i].units;
    }
    return units ? (double)dead / (double)units : (double)NAN;
}

double units_mean_cosine(const units_layer *layers, size_t n)
{
    double sum = 0, count = 0;
    for (size_t i = 0; i < n; i++) {
        if (isnan(layers[i].cosine)) continue;
        sum += layers[i].cosine;
        count += 1;
    }
    return count > 0 ? sum / count : (double)NAN;
}

/* ---- in the journal ---- */

cvy_status units_record(stepper *w, journal *j, int64_t step, int64_t epoch, errors *e)
{
    enum { LOOKED_AT = 256 };
    const setup *s = w->s;
    const data_part part = s->data->n[DATA_VALIDATION] > 0 ? DATA_VALIDATION : DATA_TEST;
    size_t n_layers, n = 0;
    int64_t seen;
    units_layer *layers = units_layers(s->net, &n_layers);
    metric *m = mem_array(2 * n_layers + 2, sizeof *m);
    char **names = mem_array(2 * n_layers + 1, sizeof *names);
    units_compare(layers, n_layers, w->state);
    cvy_status status = CVY_OK;
    if (s->data->n[part] > 0) status = units_count_dead(layers, n_layers, w, part, LOOKED_AT, &seen, e);
    for (size_t i = 0; i < n_layers; i++) {
        const units_layer *l = &layers[i];
        const char *path = s->net->nodes[l->node].path;
        if (!isnan(l->cosine)) {
            names[n] = mem_printf("filters_cosine.%s", path);
            m[n] = (metric){names[n], l->cosine};
            n++;
        }
        if (l->dead < 0) continue;
        names[n] = mem_printf("dead_units.%s", path);
        m[n] = (metric){names[n], (double)l->dead / (double)l->units};
        n++;
    }
    const size_t n_names = n;
    m[n] = (metric){"filters_cosine", units_mean_cosine(layers, n_layers)};
    if (!isnan(m[n].value)) n++;
    m[n] = (metric){"dead_units", units_dead_share(layers, n_layers)};
    if (!isnan(m[n].value)) n++;
    if (!status && n) status = record_metrics(j, "run", step, epoch, m, n, e);
    for (size_t i = 0; i < n_names; i++) mem_free(names[i]);
    mem_free(names);
    mem_free(m);
    mem_free(layers);
    return status;
}
