/* Where in a picture the network has its answer from: the heat map beside it and over it. Owns how a map is shown; must not know
 * how it is computed. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "cli/inspect.h"
#include "cli/palette.h"

enum { SIDE = 224 }; /* pixels that a picture has at least */

static int by_size(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Above which share of the numbers lie no more than 1 in 100: single pixels would darken all others. */
static double nearly_largest(const float *v, int64_t n)
{
    float *sorted = mem_copy(v, (size_t)n * sizeof *v);
    qsort(sorted, (size_t)n, sizeof *sorted, by_size);
    const double out = (double)sorted[(n - 1) * 99 / 100];
    mem_free(sorted);
    return out;
}

static void put(sheet_cell *c, uint8_t *pixels, const cvy_shape *shape, const char *caption)
{
    c->pixels = pixels;
    c->height = shape->dim[1];
    c->width = shape->dim[2];
    c->caption = caption ? mem_text(caption) : NULL;
}

/* The map in colours, and over the picture in grey: the hotter, the more of the colour. */
static void paint(const float *v, double top, const uint8_t *picture, int64_t plane, uint8_t *heat,
                  uint8_t *over)
{
    for (int64_t p = 0; p < plane; p++) {
        const double t = top > 0 ? fmin(fmax((double)v[p] / top, 0), 1) : 0;
        const double grey = 0.299 * picture[p] + 0.587 * picture[plane + p] + 0.114 * picture[2 * plane + p];
        uint8_t colour[3];
        palette_heat(t, colour);
        for (int k = 0; k < 3; k++) {
            const double share = 0.25 + 0.5 * t;
            heat[k * plane + p] = colour[k];
            over[k * plane + p] = (uint8_t)((1 - share) * grey + share * colour[k] + 0.5);
        }
    }
}

typedef struct heat {
    saliency_map map;
    int64_t class;
    int layer; /* of Grad-CAM; else -1 */
    char *how; /* what the map is, for the note */
} heat;

static cvy_status compute(inspection *i, heat *h, errors *e)
{
    const inspect_args *a = i->args;
    const saliency_subject s = {
        .net = inspect_net(i), .state = inspect_state(i), .sample = i->sample, .x = i->x, .unit = h->class};
    if (i->what == INSPECT_CAM) {
        h->layer = a->layer.n ? forward_layer(s.net, a->layer.items[0], e) : saliency_last_convolution(s.net);
        if (h->layer < 0 && a->layer.n) return errors_status(e);
        if (h->layer < 0)
            return errors_add(e, CVY_ERR_CONFIG, NULL, "`convoy inspect RUN saliency` needs none",
                              "the network has no convolution for Grad-CAM to look at");
        char *name = inspect_layer_name(&s.net->nodes[h->layer]);
        h->how = mem_printf("Grad-CAM of layer %s", name);
        mem_free(name);
        return saliency_cam(&s, h->layer, &h->map, e);
    }
    if (i->what == INSPECT_OCCLUSION) {
        const int64_t shorter = i->sample.dim[1] < i->sample.dim[2] ? i->sample.dim[1] : i->sample.dim[2];
        const int64_t size = a->patch ? a->patch : shorter / 5 > 0 ? shorter / 5 : 1;
        const saliency_patch o = {.size = size,
                                  .stride = a->stride      ? a->stride
                                            : size / 3 > 0 ? size / 3
                                                           : 1};
        h->how =
            mem_printf("Fall of the probability when a square of %lldx%lld pixels is covered, every %lld",
                       (long long)o.size, (long long)o.size, (long long)o.stride);
        return saliency_occlusion(&s, &o, &h->map, e);
    }
    const saliency_smooth o = {.noisy = a->smooth, .noise = 0.15, .seed = i->t.s->x->seed};
    h->how = a->smooth ? mem_printf("Gradient of the score, mean over %lld noisy pictures (SmoothGrad)",
                                    (long long)a->smooth)
                       : mem_text("Gradient of the score");
    return saliency_gradient(&s, &o, &h->map, e);
}

/* The words about it; mem_alloc'ed. */
static char *note(const inspection *i, const heat *h, double top)
{
    text t = {0};
    char *name = inspect_class_name(i, h->class);
    text_printf(&t, "%s, %s", i->run->name, i->of);
    if (i->label >= 0) {
        char *own = inspect_class_name(i, i->label);
        text_printf(&t, " (%s)", own);
        mem_free(own);
    }
    text_printf(&t, ": %s, for \"%s\" (score %.4g, probability %.3f). Yellow is %.3g%s.", h->how, name,
                h->map.score, h->map.probability, top,
                i->what == INSPECT_SALIENCY ? " and above, which 1 in 100 pixels are"
                : top > 0                   ? ", the largest"
                                            : ": nothing speaks for it");
    mem_free(name);
    return text_take(&t);
}

static cvy_status show(inspection *i, const heat *h, const char *path, errors *e)
{
    const int64_t height = i->sample.dim[1], width = i->sample.dim[2], plane = height * width;
    float *v = mem_array((size_t)plane, sizeof *v);
    saliency_enlarge(h->map.v, h->map.h, h->map.w, v, height, width);
    float most = 0;
    for (int64_t p = 0; p < plane; p++) most = fmaxf(most, v[p]);
    double top = i->what == INSPECT_SALIENCY ? nearly_largest(v, plane) : (double)most;
    uint8_t *picture = inspect_visible(i, &i->sample, i->x), *hot = mem_array((size_t)(3 * plane), 1),
            *over = mem_array((size_t)(3 * plane), 1);
    paint(v, top, picture, plane, hot, over);
    sheet s = sheet_new(1, 3);
    s.least = SIDE;
    put(sheet_at(&s, 0, 0), picture, &i->sample, NULL);
    put(sheet_at(&s, 0, 1), hot, &i->sample, NULL);
    put(sheet_at(&s, 0, 2), over, &i->sample, NULL);
    s.above[0] = mem_text("input");
    s.above[1] = mem_text(i->what == INSPECT_CAM ? "Grad-CAM" : inspect_words[i->what]);
    s.above[2] = mem_text("both");
    s.note = note(i, h, top);
    cvy_status status = sheet_write(&s, path, e);
    sheet_free(&s);
    mem_free(v);
    return status;
}

static void tell(const inspection *i, const heat *h, const char *path)
{
    char *name = inspect_class_name(i, h->class);
    if (!i->c->json) {
        cli_say(i->c, "%s, %s: \"%s\" with score %.4g, probability %.3f", i->run->name, i->of, name,
                h->map.score, h->map.probability);
        inspect_say_file(i, path);
        mem_free(name);
        return;
    }
    json_writer w = {0};
    json_open(&w, '{');
    json_put_text(&w, "run", i->run->name);
    json_put_text(&w, "what", inspect_words[i->what]);
    json_put_text(&w, "of", i->of);
    json_put_text(&w, "layer", h->layer < 0 ? NULL : inspect_net(i)->nodes[h->layer].path);
    json_put_int(&w, "class", h->class);
    json_put_text(&w, "class_name", name);
    json_put_double(&w, "score", h->map.score);
    json_put_double(&w, "probability", h->map.probability);
    json_put_text(&w, "file", path);
    json_key(&w, "map");
    json_open(&w, '[');
    for (int64_t y = 0; y < h->map.h; y++) {
        json_open(&w, '[');
        for (int64_t x = 0; x < h->map.w; x++) json_double(&w, (double)h->map.v[y * h->map.w + x]);
        json_close(&w, ']');
    }
    json_close(&w, ']');
    json_close(&w, '}');
    cli_print_json(&w);
    mem_free(name);
}

cvy_status inspect_heat(inspection *i, errors *e)
{
    heat h = {.layer = -1, .class = inspect_class(i, e)};
    if (h.class < 0) return errors_status(e);
    char *path = inspect_path(i, NULL);
    cvy_status status = compute(i, &h, e);
    if (!status) status = show(i, &h, path, e);
    if (!status) tell(i, &h, path);
    mem_free(path);
    mem_free(h.how);
    saliency_free(&h.map);
    return status;
}
