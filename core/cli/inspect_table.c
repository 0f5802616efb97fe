/* What a trained network's tensors and layers are like, as a table or as JSON. Owns the columns; must not know how the numbers
 * are computed. */
#include <math.h>

#include "base/memory.h"
#include "cli/inspect.h"
#include "cli/table.h"
#include "train/tensor_stats.h"

enum { SAMPLES = 256 /* looked at for dead units where nobody says how many */ };

typedef struct facts {
    units_layer *layers;
    size_t n;
    int64_t seen;
} facts;

static const units_layer *layer_of(const facts *f, size_t weight)
{
    for (size_t i = 0; i < f->n; i++)
        if (f->layers[i].weight == (int)weight) return &f->layers[i];
    return NULL;
}

static void kernel_text(const cvy_shape *s, text *t)
{
    for (int d = 0; d < s->rank; d++) text_printf(t, "%s%lld", d ? "x" : "", (long long)s->dim[d]);
}

static void put_row(table *t, const net_tensor *w, const tensor_stats *s, const units_layer *l)
{
    text shape = {0};
    kernel_text(&w->shape, &shape);
    table_cell(t, w->name);
    table_cell(t, text_str(&shape));
    table_cellf(t, "%.2e", s->mean);
    table_cellf(t, "%.2e", s->sd);
    table_cellf(t, "%.3g", s->low);
    table_cellf(t, "%.3g", s->high);
    table_cellf(t, "%.1f %%", 100 * s->zeros);
    table_cellf(t, "%.3g", s->norm);
    if (l && l->dead >= 0)
        table_cellf(t, "%lld of %lld", (long long)l->dead, (long long)l->units);
    else
        table_cell(t, "-");
    if (l && !isnan(l->cosine))
        table_cellf(t, "%.3f", l->cosine);
    else
        table_cell(t, "-");
    text_free(&shape);
}

static void show_text(const inspection *i, const facts *f)
{
    const net *n = inspect_net(i);
    const state *s = inspect_state(i);
    table t = {0};
    text out = {0};
    const char *const titles[] = {"WEIGHTS", "SHAPE", "MEAN", "SD",   "MIN",
                                  "MAX",     "ZEROS", "NORM", "DEAD", "COSINE"};
    for (size_t k = 0; k < sizeof titles / sizeof *titles; k++)
        table_column(&t, titles[k], k < 2 ? TABLE_LEFT : TABLE_RIGHT);
    size_t left = 0;
    for (size_t k = 0; k < n->n_weights; k++) {
        const net_tensor *w = &n->weights[k];
        const units_layer *l = layer_of(f, k);
        const tensor_stats stats = tensor_stats_of(s->weights + w->offset, w->count);
        if (w->shape.rank < 2 && !l) {
            left++;
            continue;
        }
        put_row(&t, w, &stats, l);
    }
    table_write(&t, cli_colour(i->c, stdout), &out);
    cli_print(&out);
    cli_say(i->c, "%s, %s weights, epoch %lld", i->run->name, weights_word(i->which),
            (long long)i->weights.epoch);
    if (f->seen)
        cli_say(i->c, "DEAD: units whose answer was the same everywhere on %lld samples", (long long)f->seen);
    cli_say(i->c, "COSINE: mean |cosine| between the filters");
    if (left)
        cli_say(i->c, "%zu tensors of one dimension (biases, scales) are left out: --json has all", left);
    table_free(&t);
    text_free(&out);
}

static void show_json(const inspection *i, const facts *f)
{
    const net *n = inspect_net(i);
    json_writer w = {0};
    json_open(&w, '{');
    json_put_text(&w, "run", i->run->name);
    json_put_text(&w, "which", weights_word(i->which));
    json_put_int(&w, "epoch", i->weights.epoch);
    json_put_int(&w, "samples", f->seen);
    results_put_double(&w, "dead_units", units_dead_share(f->layers, f->n));
    results_put_double(&w, "filters_cosine", units_mean_cosine(f->layers, f->n));
    json_key(&w, "tensors");
    json_open(&w, '[');
    for (size_t k = 0; k < n->n_weights; k++) {
        const net_tensor *t = &n->weights[k];
        const units_layer *l = layer_of(f, k);
        const tensor_stats s = tensor_stats_of(inspect_state(i)->weights + t->offset, t->count);
        json_open(&w, '{');
        json_put_text(&w, "name", t->name);
        json_put_text(&w, "layer", l ? n->nodes[l->node].path : NULL);
        json_key(&w, "shape");
        json_open(&w, '[');
        for (int d = 0; d < t->shape.rank; d++) json_int(&w, t->shape.dim[d]);
        json_close(&w, ']');
        json_put_double(&w, "mean", s.mean);
        json_put_double(&w, "sd", s.sd);
        json_put_double(&w, "min", s.low);
        json_put_double(&w, "max", s.high);
        json_put_double(&w, "zeros", s.zeros);
        json_put_double(&w, "norm", s.norm);
        results_put_int(&w, "units", l ? l->units : QUERY_NONE);
        results_put_int(&w, "dead", l && l->dead >= 0 ? l->dead : QUERY_NONE);
        results_put_double(&w, "cosine", l ? l->cosine : (double)NAN);
        json_close(&w, '}');
    }
    json_close(&w, ']');
    json_close(&w, '}');
    cli_print_json(&w);
}

cvy_status inspect_table(inspection *i, errors *e)
{
    facts f = {0};
    cvy_status status = CVY_OK;
    f.layers = units_layers(inspect_net(i), &f.n);
    units_compare(f.layers, f.n, inspect_state(i));
    const int64_t samples = i->args->samples < 0 ? SAMPLES : i->args->samples;
    if (samples > 0) status = units_count_dead(f.layers, f.n, &i->f.steps, i->part, samples, &f.seen, e);
    if (!status && i->c->json) show_json(i, &f);
    if (!status && !i->c->json) show_text(i, &f);
    mem_free(f.layers);
    return status;
}
