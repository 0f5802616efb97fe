/* Histograms of a tensor over training as a chart. Owns what it shows; must not know how it is drawn. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "cli/inspect.h"
#include "report/figure.h"

enum {
    LEVELS = 60, /* cells from the smallest to the largest number */
    SPREAD = 5   /* deviations to either side that are shown */
};

/* A panel of cells: epochs across, numbers up, coloured by how many of the tensor's numbers are there. Histograms have their own
 * ends in each epoch; a bucket gives each cell that it overlaps its part. */
typedef struct board {
    arena *a;
    figure_mark mark;
    double low, high;
} board;

static void fill(board *b, const query_histogram *h, size_t n)
{
    double *x = arena_array(b->a, n * LEVELS, sizeof *x), *y = arena_array(b->a, n * LEVELS, sizeof *y),
           *v = arena_array(b->a, n * LEVELS, sizeof *v);
    b->low = (double)INFINITY;
    b->high = -(double)INFINITY;
    for (size_t i = 0; i < n; i++) { /* single numbers far out would press all others together */
        b->low = fmin(b->low, fmax(h[i].low, h[i].mean - SPREAD * h[i].sd));
        b->high = fmax(b->high, fmin(h[i].high, h[i].mean + SPREAD * h[i].sd));
    }
    if (!(b->high > b->low)) b->low -= 0.5, b->high += 0.5;
    const double cell = (b->high - b->low) / LEVELS;
    for (size_t i = 0; i < n; i++) {
        double fullest = 0;
        for (size_t l = 0; l < LEVELS; l++) {
            x[i * LEVELS + l] = (double)h[i].epoch;
            y[i * LEVELS + l] = b->low + ((double)l + 0.5) * cell;
        }
        const double width = h[i].n ? (h[i].high - h[i].low) / (double)h[i].n : 0;
        for (size_t k = 0; k < h[i].n; k++) {
            const double from = (h[i].low + (double)k * width - b->low) / cell, to = from + width / cell;
            for (size_t l = from > 0 ? (size_t)from : 0; l < LEVELS && (double)l <= to; l++) {
                const double share = to > from
                                         ? (fmin(to, (double)l + 1) - fmax(from, (double)l)) / (to - from)
                                         : (double)l <= from && from < (double)l + 1;
                if (share > 0) v[i * LEVELS + l] += share * (double)h[i].counts[k];
            }
        }
        for (size_t l = 0; l < LEVELS; l++) fullest = fmax(fullest, v[i * LEVELS + l]);
        for (size_t l = 0; l < LEVELS && fullest > 0; l++) v[i * LEVELS + l] *= 100 / fullest;
    }
    b->mark = (figure_mark){.kind = FIGURE_CELLS, .x = x, .y = y, .value = v, .n = n * LEVELS};
}

static cvy_status no_histograms(const inspection *i, errors *e)
{
    query_histogram *all;
    size_t n;
    arena a = {0};
    const char **names;
    cvy_status status = query_histograms(i->store, i->run->name, NULL, &a, &all, &n, e);
    if (!status && !n)
        status = errors_add(e, CVY_ERR_CONFIG, NULL, "train.histograms=1 logs them, in each epoch",
                            "no histograms were logged");
    if (!status) {
        names = arena_array(&a, n, sizeof *names);
        for (size_t k = 0; k < n; k++) names[k] = all[k].tensor;
        const char *near = text_nearest(i->args->tensor ? i->args->tensor : "", names, n);
        char *hint =
            near ? mem_printf("did you mean \"%s\"?", near) : mem_printf("the first one is \"%s\"", names[0]);
        status = errors_add(e, CVY_ERR_CONFIG, NULL, hint, "no histograms of a tensor \"%s\" were logged",
                            i->args->tensor ? i->args->tensor : "");
        mem_free(hint);
    }
    arena_free(&a);
    return status;
}

static void put_json(const inspection *i, const query_histogram *h, size_t n, const char *path)
{
    json_writer w = {0};
    json_open(&w, '{');
    json_put_text(&w, "run", i->run->name);
    json_put_text(&w, "file", path);
    json_key(&w, "histograms");
    json_open(&w, '[');
    for (size_t k = 0; k < n; k++) {
        json_open(&w, '{');
        json_put_text(&w, "tensor", h[k].tensor);
        json_put_text(&w, "of", h[k].kind);
        json_put_int(&w, "step", h[k].step);
        json_put_int(&w, "epoch", h[k].epoch);
        json_put_double(&w, "low", h[k].low);
        json_put_double(&w, "high", h[k].high);
        json_put_double(&w, "mean", h[k].mean);
        json_put_double(&w, "sd", h[k].sd);
        json_key(&w, "counts");
        json_open(&w, '[');
        for (size_t b = 0; b < h[k].n; b++) json_int(&w, h[k].counts[b]);
        json_close(&w, ']');
        json_close(&w, '}');
    }
    json_close(&w, ']');
    json_close(&w, '}');
    cli_print_json(&w);
}

static cvy_status draw(const inspection *i, const query_histogram *h, size_t n, arena *a, const char *path,
                       errors *e)
{
    static const char *const titles[] = {"weights", "gradient"};
    board boards[2] = {{.a = a}, {.a = a}};
    figure_panel panels[2];
    size_t n_panels = 0;
    for (size_t k = 0; k < 2; k++) {
        size_t from = 0, count = 0;
        while (from < n && strcmp(h[from].kind, titles[k]) != 0) from++;
        while (from + count < n && !strcmp(h[from + count].kind, titles[k])) count++;
        if (!count) continue;
        fill(&boards[k], h + from, count);
        panels[n_panels++] = (figure_panel){
            .title = titles[k],
            .x = {.label = "epoch", .low = (double)NAN, .high = (double)NAN},
            .y = {.label = k ? "gradient" : "weight", .low = boards[k].low, .high = boards[k].high},
            .colour = {.label = "numbers (% of the fullest level)", .low = (double)NAN, .high = (double)NAN},
            .marks = &boards[k].mark,
            .n = 1};
    }
    const figure f = {
        .title = arena_printf(a, "%s: %s", i->run->name, h[0].tensor),
        .caption = arena_printf(
            a,
            "Histograms at the ends of epochs; the gradient is that of each epoch's last update. Not shown: "
            "what is more than %d standard deviations off",
            SPREAD),
        .panels = panels,
        .n = n_panels};
    const figure_look look = {.format = text_ends(path, ".svg")   ? FIGURE_SVG
                                        : text_ends(path, ".pdf") ? FIGURE_PDF
                                                                  : FIGURE_PNG};
    return figure_draw(&f, &look, path, NULL, e);
}

cvy_status inspect_histograms(inspection *i, errors *e)
{
    arena a = {0};
    query_histogram *h;
    size_t n;
    const char *tensor = i->args->tensor ? i->args->tensor : "";
    if (!*tensor) { /* the first layer's kernels */
        const net *whole = inspect_net(i);
        size_t n_layers;
        units_layer *layers = units_layers(whole, &n_layers);
        if (n_layers) tensor = whole->weights[layers[0].weight].name;
        mem_free(layers);
    }
    cvy_status status = query_histograms(i->store, i->run->name, tensor, &a, &h, &n, e);
    if (!status && !n) status = no_histograms(i, e);
    if (!status) {
        char *path = inspect_path(i, tensor);
        status = draw(i, h, n, &a, path, e);
        if (!status && i->c->json) put_json(i, h, n, path);
        if (!status && !i->c->json) inspect_say_file(i, path);
        mem_free(path);
    }
    arena_free(&a);
    return status;
}
