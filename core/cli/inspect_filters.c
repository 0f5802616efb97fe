/* The filters of a convolution as pictures. Owns how they are laid out; must not know where the weights come from. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "cli/inspect.h"
#include "cli/palette.h"

enum {
    TILE = 21,           /* pixels that a filter's longer side has at least */
    COLOUR_TILE = 48,    /* where a filter is one tile */
    MATRIX_DOT = 6,      /* of a 1x1 kernel */
    LIMIT = 16,          /* rows and columns, where nobody says otherwise */
    PIXELS_MOST = 100000 /* on a side, far beyond what a sheet takes: against overflow */
};

/* A filter of each output channel: (out, in, height, width). */
typedef struct kernels {
    const float *w;
    int64_t out, in, h, v;
    int64_t shown_out, shown_in;
} kernels;

static const net_tensor *kernel_of(const net *n, const net_node *unit)
{
    for (int k = 0; k < unit->n_weights; k++)
        if (n->weights[unit->first_weight + k].shape.rank == 4) return &n->weights[unit->first_weight + k];
    return NULL;
}

int inspect_first_convolution(const net *n)
{
    for (size_t i = 1; i < n->n_nodes; i++)
        if (kernel_of(n, &n->nodes[i])) return (int)i;
    return -1;
}

static float largest(const float *w, int64_t n)
{
    float most = 0;
    for (int64_t i = 0; i < n; i++)
        if (isfinite(w[i])) most = fmaxf(most, fabsf(w[i]));
    return most > 0 ? most : 1;
}

static void grey_tile(sheet_cell *c, const float *w, int64_t h, int64_t v, float most)
{
    c->height = h;
    c->width = v;
    c->pixels = mem_array((size_t)(3 * h * v), 1);
    for (int64_t i = 0; i < h * v; i++)
        for (int k = 0; k < 3; k++) c->pixels[k * h * v + i] = palette_grey((double)w[i] / (double)most);
}

static void colour_tile(sheet_cell *c, const float *w, int64_t h, int64_t v)
{
    const float most = largest(w, 3 * h * v);
    c->height = h;
    c->width = v;
    c->pixels = mem_array((size_t)(3 * h * v), 1);
    for (int64_t i = 0; i < 3 * h * v; i++) c->pixels[i] = palette_grey((double)w[i] / (double)most);
}

/* A tile for each filter, in a field. */
static sheet field(const kernels *k, bool colour)
{
    int64_t columns = (int64_t)ceil(sqrt((double)k->shown_out));
    if (k->shown_out > 6 && columns % 2) columns++; /* 16, 32, 64 filters fill even rows */
    while (columns > 1 && k->shown_out % columns && columns < 2 * (int64_t)sqrt((double)k->shown_out))
        columns++;
    if (k->shown_out % columns) columns = (int64_t)ceil(sqrt((double)k->shown_out));
    const int64_t rows = (k->shown_out + columns - 1) / columns;
    sheet s = sheet_new((int)rows, (int)columns);
    const float most = largest(k->w, k->out * k->in * k->h * k->v);
    s.least = COLOUR_TILE;
    s.gap = 4;
    for (int64_t i = 0; i < k->shown_out; i++) {
        sheet_cell *c = sheet_at(&s, (int)(i / columns), (int)(i % columns));
        const float *w = k->w + i * k->in * k->h * k->v;
        if (colour)
            colour_tile(c, w, k->h, k->v);
        else
            grey_tile(c, w, k->h, k->v, most);
    }
    return s;
}

/* A row for each filter, a column for each of its inputs. */
static sheet pairs(const kernels *k)
{
    sheet s = sheet_new((int)k->shown_out, (int)k->shown_in);
    const float most = largest(k->w, k->out * k->in * k->h * k->v);
    s.least = TILE;
    s.gap = 2;
    s.words = 1;
    for (int64_t i = 0; i < k->shown_out; i++) {
        s.left[i] = mem_printf("%lld", (long long)i);
        for (int64_t c = 0; c < k->shown_in; c++) {
            if (!i) s.above[c] = mem_printf("%lld", (long long)c);
            grey_tile(sheet_at(&s, (int)i, (int)c), k->w + (i * k->in + c) * k->h * k->v, k->h, k->v, most);
        }
    }
    return s;
}

/* Kernels of one number: the matrix that they are, a dot for each. */
static sheet matrix(const kernels *k)
{
    sheet s = sheet_new(1, 1);
    sheet_cell *c = sheet_at(&s, 0, 0);
    const float most = largest(k->w, k->out * k->in);
    float *w = mem_array((size_t)(k->shown_out * k->shown_in), sizeof *w);
    for (int64_t i = 0; i < k->shown_out; i++)
        memcpy(w + i * k->shown_in, k->w + i * k->in, (size_t)k->shown_in * sizeof *w);
    grey_tile(c, w, k->shown_out, k->shown_in, most);
    const int64_t longer = k->shown_out > k->shown_in ? k->shown_out : k->shown_in;
    s.least = s.most = (int)(longer < PIXELS_MOST ? longer * MATRIX_DOT : PIXELS_MOST);
    mem_free(w);
    return s;
}

sheet inspect_kernel_sheet(const char *name, const cvy_shape *shape, const float *w, bool colour,
                           int64_t most)
{
    const int64_t count = cvy_count(shape);
    kernels k = {.w = w, .out = shape->dim[0], .in = shape->dim[1], .h = shape->dim[2], .v = shape->dim[3]};
    const bool single = k.h * k.v == 1;
    colour = colour && k.in == 3 && !single;
    const int64_t limit = colour || k.in == 1 ? most * most : single ? 8 * most : most;
    k.shown_out = k.out < limit ? k.out : limit;
    k.shown_in = k.in < limit ? k.in : limit;
    sheet out = single ? matrix(&k) : colour || k.in == 1 ? field(&k, colour) : pairs(&k);
    text words = {0};
    text_printf(&words, "%s: %lld filters of %lld x %lld x %lld. ", name, (long long)k.out, (long long)k.in,
                (long long)k.h, (long long)k.v);
    if (colour)
        text_add(&words, "Colours are the weights for red, green and blue, grey is 0, each filter by its own "
                         "largest weight");
    else
        text_printf(&words, "%sBlack is -%.3g, grey 0, white %.3g",
                    single      ? "A row for each filter, a column for each input channel. "
                    : k.in == 1 ? ""
                                : "A row for each filter, a column for each of its input channels. ",
                    (double)largest(w, count), (double)largest(w, count));
    if (k.shown_out < k.out || k.shown_in < k.in) {
        text_add(&words, "; shown are ");
        if (k.shown_out < k.out) text_printf(&words, "the first %lld filters", (long long)k.shown_out);
        if (k.shown_in < k.in)
            text_printf(&words, "%s%lld input channels", k.shown_out < k.out ? " and " : "the first ",
                        (long long)k.shown_in);
    }
    text_add(&words, ".");
    out.note = text_take(&words);
    return out;
}

sheet inspect_filter_sheet(const net *n, const state *s, int unit, int64_t most)
{
    const net_node *layer = &n->nodes[unit];
    const net_tensor *t = kernel_of(n, layer);
    return inspect_kernel_sheet(layer->path, &t->shape, s->weights + t->offset, layer->in[0] == 0, most);
}

/* ---- the command ---- */

static cvy_status no_kernels(const net *n, int unit, errors *e)
{
    for (int k = 0; unit >= 0 && k < n->nodes[unit].n_weights; k++)
        if (n->weights[n->nodes[unit].first_weight + k].shape.rank == 3)
            return errors_add(e, CVY_ERR_CONFIG, NULL, "`convoy inspect RUN` has their numbers",
                              "layer \"%s\": its kernels have one dimension in space and are no pictures",
                              n->nodes[unit].path);
    if (unit < 0)
        return errors_add(e, CVY_ERR_CONFIG, NULL, "`convoy inspect RUN` has the numbers of its weights",
                          "the network has no convolution whose kernels are pictures (height x width)");
    const int first = inspect_first_convolution(n);
    char *hint = first >= 0 ? mem_printf("the first that has them is \"%s\"", n->nodes[first].path) : NULL;
    cvy_status status =
        errors_add(e, CVY_ERR_CONFIG, NULL, hint, "layer \"%s\" (%s) has no kernels (height x width)",
                   n->nodes[unit].path, n->nodes[unit].plugin ? n->nodes[unit].plugin->name : "input");
    mem_free(hint);
    return status;
}

/* Of a block of layers the first that has kernels, else the layer that is meant. */
static int find(const net *n, const char *path, errors *e)
{
    const size_t length = strlen(path);
    for (size_t i = 1; i < n->n_nodes; i++)
        if (strncmp(n->nodes[i].path, path, length) == 0 && length && n->nodes[i].path[length] == '.' &&
            kernel_of(n, &n->nodes[i]))
            return (int)i;
    return forward_layer(n, path, e);
}

cvy_status inspect_filters(inspection *i, errors *e)
{
    const net *n = inspect_net(i);
    const size_t layers = i->args->layer.n ? i->args->layer.n : 1;
    if (layers > 1 && i->args->output)
        return errors_add(e, CVY_ERR_CONFIG, NULL, "one --layer for one -o FILE",
                          "%zu layers are %zu pictures", layers, layers);
    cvy_status status = CVY_OK;
    for (size_t k = 0; k < layers && !status; k++) {
        const int unit =
            i->args->layer.n ? find(n, i->args->layer.items[k], e) : inspect_first_convolution(n);
        if (unit < 0 && i->args->layer.n) return errors_status(e);
        if (unit < 0 || !kernel_of(n, &n->nodes[unit])) return no_kernels(n, unit, e);
        sheet s = inspect_filter_sheet(n, inspect_state(i), unit, i->args->limit ? i->args->limit : LIMIT);
        char *path = inspect_path(i, n->nodes[unit].path);
        status = sheet_write(&s, path, e);
        if (!status) inspect_say_file(i, path);
        mem_free(path);
        sheet_free(&s);
    }
    return status;
}
