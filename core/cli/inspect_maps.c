/* What layers make of a picture: their maps beside it. Owns which maps are shown; must not know how a sheet is drawn. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "cli/inspect.h"
#include "cli/palette.h"
#include "train/lens.h"

enum { LAYERS_MOST = 8, MAPS = 12, SIDE = 96 }; /* SIDE: pixels of a map's longer side, about */

typedef struct strength {
    int64_t channel;
    double largest;
} strength;

static int by_strength(const void *a, const void *b)
{
    const strength *x = a, *y = b;
    if (x->largest != y->largest) return x->largest < y->largest ? 1 : -1;
    return (x->channel > y->channel) - (x->channel < y->channel);
}

/* The layers of --layer, else what follows the convolutions, some of them where there are many. NULL after reporting. */
static int *layers(const inspection *i, size_t *n_layers, errors *e)
{
    const net *n = inspect_net(i);
    size_t n_all, kept = 0;
    units_layer *all = units_layers(n, &n_all);
    int *found = mem_array(n_all + i->args->layer.n + 1, sizeof *found);
    for (size_t k = 0; k < i->args->layer.n; k++) {
        const int unit = forward_layer(n, i->args->layer.items[k], e);
        if (unit >= 0 && n->nodes[unit].out.rank != 4)
            errors_add(e, CVY_ERR_CONFIG, NULL,
                       "layers with maps are convolutions, pooling and what follows them",
                       "layer \"%s\" gives no maps (channels x height x width)", n->nodes[unit].path);
        found[kept++] = unit;
    }
    for (size_t k = 0; k < n_all && !i->args->layer.n; k++) {
        const int unit = saliency_settled(n, all[k].node);
        bool known = n->nodes[unit].out.rank != 4;
        for (size_t p = 0; p < kept; p++) known = known || found[p] == unit;
        if (!known) found[kept++] = unit;
    }
    *n_layers = kept;
    /* Layers that were asked for by name are all shown, unless a limit was too. */
    const size_t limit = (size_t)i->args->limit, most = limit ? limit : i->args->layer.n ? kept : LAYERS_MOST;
    if (kept > most) {
        for (size_t k = 0; k < most; k++) found[k] = found[k * (kept - 1) / (most > 1 ? most - 1 : 1)];
        *n_layers = most;
    }
    mem_free(all);
    if (!errors_count(e) && !kept)
        errors_add(e, CVY_ERR_CONFIG, NULL, NULL,
                   "the network has no layer with maps (channels x height x width)");
    if (!errors_count(e)) return found;
    mem_free(found);
    return NULL;
}

static void heat_cell(sheet_cell *c, const float *v, int64_t h, int64_t w, double low, double high)
{
    const int64_t longer = h > w ? h : w, up = longer < SIDE ? SIDE / longer : 1, plane = up * up * h * w;
    c->height = up * h;
    c->width = up * w;
    c->pixels = mem_array((size_t)(3 * plane), 1);
    for (int64_t y = 0; y < c->height; y++)
        for (int64_t x = 0; x < c->width; x++) {
            uint8_t colour[3];
            const double value = (double)v[y / up * w + x / up];
            palette_heat(high > low ? (value - low) / (high - low) : 0, colour);
            for (int k = 0; k < 3; k++) c->pixels[k * plane + y * c->width + x] = colour[k];
        }
}

/* The network's picture, as large as the maps. */
static void picture_cell(const inspection *i, sheet_cell *c)
{
    const int64_t h = i->sample.dim[1], w = i->sample.dim[2], longer = h > w ? h : w,
                  up = longer < SIDE ? SIDE / longer : 1, plane = up * up * h * w;
    uint8_t *small = inspect_visible(i, &i->sample, i->x);
    c->height = up * h;
    c->width = up * w;
    c->pixels = mem_array((size_t)(3 * plane), 1);
    for (int64_t k = 0; k < 3; k++)
        for (int64_t y = 0; y < c->height; y++)
            for (int64_t x = 0; x < c->width; x++)
                c->pixels[k * plane + y * c->width + x] = small[k * h * w + y / up * w + x / up];
    c->caption = mem_printf("%lldx%lld", (long long)h, (long long)w);
    mem_free(small);
}

/* The channels that answer most strongly, strongest first. */
static void row_of_maps(sheet *s, int row, const float *v, const cvy_shape *shape)
{
    const int64_t channels = shape->dim[1], plane = shape->dim[2] * shape->dim[3];
    strength *all = mem_array((size_t)channels, sizeof *all);
    float low = v[0], high = v[0];
    for (int64_t c = 0; c < channels; c++) {
        all[c].channel = c;
        float largest = 0;
        for (int64_t p = 0; p < plane; p++) {
            const float x = v[c * plane + p];
            largest = fmaxf(largest, fabsf(x));
            low = fminf(low, x);
            high = fmaxf(high, x);
        }
        all[c].largest = (double)largest;
    }
    qsort(all, (size_t)channels, sizeof *all, by_strength);
    for (int k = 0; k + 1 < s->columns && k < channels; k++) {
        const float *map = v + all[k].channel * plane;
        sheet_cell *c = sheet_at(s, row, k + 1);
        heat_cell(c, map, shape->dim[2], shape->dim[3], fmin((double)low, 0), (double)high);
        c->caption = mem_printf("#%lld  %.3g", (long long)all[k].channel, all[k].largest);
    }
    mem_free(all);
}

char *inspect_layer_name(const net_node *unit)
{
    const char *dot = strrchr(unit->path, '.'), *last = dot ? dot + 1 : unit->path;
    if (unit->plugin && *last >= '0' && *last <= '9')
        return mem_printf("%s %s", unit->path, unit->plugin->name);
    return mem_text(unit->path);
}

static cvy_status draw(inspection *i, const int *found, size_t n, const lens *l, errors *e)
{
    const net *whole = inspect_net(i);
    int64_t most = 0;
    for (size_t k = 0; k < n; k++) most = l->shapes[k].dim[1] > most ? l->shapes[k].dim[1] : most;
    const int64_t wanted = i->args->limit ? i->args->limit : MAPS;
    sheet s = sheet_new((int)n, 1 + (int)(most < wanted ? most : wanted));
    s.least = s.most = SIDE;
    for (size_t k = 0; k < n; k++) {
        sheet_cell *c = sheet_at(&s, (int)k, 0);
        s.left[k] = inspect_layer_name(&whole->nodes[found[k]]);
        if (k == 0) {
            picture_cell(i, c);
        }
        row_of_maps(&s, (int)k, l->values[k], &l->shapes[k]);
    }
    s.above[0] = mem_text("input");
    s.note = mem_printf(
        "%s: what layers give for %s. The channels with the strongest answers, strongest first; each row "
        "from "
        "its smallest number, or 0 (dark), to its largest (yellow); #channel and its largest number below.",
        i->run->name, i->of);
    char *path = inspect_path(i, NULL);
    cvy_status status = sheet_write(&s, path, e);
    if (!status) inspect_say_file(i, path);
    mem_free(path);
    sheet_free(&s);
    return status;
}

cvy_status inspect_maps(inspection *i, errors *e)
{
    size_t n;
    int *found = layers(i, &n, e);
    if (!found) return errors_status(e);
    lens l;
    cvy_status status = lens_open(&l, inspect_net(i), inspect_state(i), found, n, &i->sample, 1, false, e);
    if (!status) status = lens_look(&l, i->x, e);
    if (!status) status = draw(i, found, n, &l, e);
    lens_close(&l);
    mem_free(found);
    return status;
}
