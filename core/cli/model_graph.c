/* Owns a network's picture: which layers share a box, the text in Graphviz' language, and calling it. Must not know
 * kernels or plans. */
#include "cli/model_graph.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/places.h"
#include "config/params.h"
#include "sweep/process.h"

#define DRAW_SECONDS 120

typedef struct drawing {
    const net *net;
    int *box;     /* per node: the node that opens its box */
    int *readers; /* per node: how many nodes and ends read it */
    text out;
} drawing;

/* ---- which layers share a box ---- */

/* The composite that a node lies in: its path up to the last dot, as a length. */
static size_t frame_of(const net_node *n)
{
    const char *dot = strrchr(n->path, '.');
    return dot ? (size_t)(dot - n->path) : 0;
}

static bool same_frame(const net_node *a, const net_node *b)
{
    size_t n = frame_of(a);
    return n == frame_of(b) && !strncmp(a->path, b->path, n);
}

static void find_boxes(drawing *d)
{
    const net *n = d->net;
    for (size_t i = 1; i < n->n_nodes; i++)
        for (int k = 0; k < n->nodes[i].n_in; k++) d->readers[n->nodes[i].in[k]]++;
    for (size_t i = 0; i < n->n_heads; i++) d->readers[n->heads[i].node]++;
    for (size_t i = 0; i < n->n_nodes; i++) {
        const net_node *one = &n->nodes[i];
        int before = one->n_in == 1 ? one->in[0] : 0;
        d->box[i] = (int)i;
        if (before > 0 && d->readers[before] == 1 && one->macs == 0 &&
            cvy_shape_same(&one->out, &n->nodes[before].out) && same_frame(one, &n->nodes[before]))
            d->box[i] = d->box[before];
    }
}

/* The last node of a box: the one whose output leaves it. */
static int last_of(const drawing *d, int box)
{
    int last = box;
    for (size_t i = (size_t)box; i < d->net->n_nodes; i++)
        if (d->box[i] == box) last = (int)i;
    return last;
}

/* ---- Graphviz' language ---- */

static void put_text(drawing *d, const char *s)
{
    text shown = {0};
    text_safe(&shown, s, 80);
    for (const char *c = text_str(&shown); *c; c++) {
        if (*c == '"' || *c == '\\') text_char(&d->out, '\\');
        text_char(&d->out, *c);
    }
    text_free(&shown);
}

static void put_line(drawing *d, const net_node *one)
{
    text brief = {0};
    params_table t = params_of(one->plugin, (void *)(uintptr_t)one->config);
    params_brief(&t, &brief);
    put_text(d, one->plugin->name);
    if (brief.n) text_add(&d->out, "  ");
    put_text(d, text_str(&brief));
    text_add(&d->out, "\\l");
    text_free(&brief);
}

static void put_box(drawing *d, int box)
{
    const net *n = d->net;
    const net_node *first = &n->nodes[box];
    const char *dot = strrchr(first->path, '.'), *name = dot ? dot + 1 : first->path;
    bool given = name[strspn(name, "0123456789")] && !(first->plugin && !strcmp(first->plugin->name, name));
    text shape = {0};
    text_printf(&d->out, "n%d [label=\"", box);
    if (given) {
        put_text(d, name);
        text_add(&d->out, "\\n");
    }
    for (size_t i = (size_t)box; i < n->n_nodes; i++)
        if (d->box[i] == box && n->nodes[i].plugin) put_line(d, &n->nodes[i]);
    net_shape_text(&n->nodes[last_of(d, box)].out, &shape);
    text_printf(&d->out, "%s\"", text_str(&shape));
    if (box == 0) text_add(&d->out, ", shape=ellipse, fillcolor=\"#ffffff\"");
    if (n->nodes[box].n_weights) text_add(&d->out, ", fillcolor=\"#dbe9f6\"");
    text_add(&d->out, "];\n");
    text_free(&shape);
}

/* Boxes in the order of their nodes, each level of a path a frame around what is in it. */
static void put_boxes(drawing *d)
{
    const net *n = d->net;
    const char *open = ""; /* the path of which the first `length` characters are open frames */
    size_t length = 0;
    int frames = 0;
    for (size_t i = 0; i <= n->n_nodes; i++) {
        if (i < n->n_nodes && d->box[i] != (int)i) continue;
        const char *path = i < n->n_nodes ? n->nodes[i].path : "";
        size_t wanted = i < n->n_nodes ? frame_of(&n->nodes[i]) : 0, common = 0, at;
        for (at = 0; at <= length && at <= wanted; at++) { /* whole segments of both */
            bool end = (at == length || open[at] == '.') && (at == wanted || path[at] == '.');
            if (end) common = at;
            if (at == length || at == wanted || open[at] != path[at]) break;
        }
        for (size_t k = common; k < length; k++)
            if (k == 0 || open[k] == '.') text_add(&d->out, "}\n");
        for (size_t k = common; k < wanted; k++) {
            if (k && path[k] != '.') continue;
            size_t from = k ? k + 1 : 0, to = from + strcspn(path + from, ".");
            text_printf(&d->out, "subgraph cluster%d {\nlabel=\"", frames++);
            char *name = mem_text_n(path + from, to - from);
            put_text(d, name);
            mem_free(name);
            text_add(&d->out, "\";\n");
        }
        open = path;
        length = wanted;
        if (i < n->n_nodes) put_box(d, (int)i);
    }
}

static void put_arrows(drawing *d)
{
    const net *n = d->net;
    for (size_t i = 1; i < n->n_nodes; i++) {
        if (d->box[i] != (int)i) continue;
        for (int k = 0; k < n->nodes[i].n_in; k++)
            text_printf(&d->out, "n%d -> n%zu;\n", d->box[n->nodes[i].in[k]], i);
    }
    text_printf(&d->out, "end [shape=ellipse, fillcolor=\"#ffffff\", label=\"output\"];\nn%d -> end;\n",
                d->box[n->output]);
    for (size_t i = 0; i < n->n_heads; i++)
        text_printf(&d->out,
                    "head%zu [shape=ellipse, fillcolor=\"#ffffff\", label=\"head, weight %g\"];\nn%d -> "
                    "head%zu [style=dashed];\n",
                    i, n->heads[i].weight, d->box[n->heads[i].node], i);
}

static void put_graph(drawing *d, const char *title)
{
    text count = {0};
    text_add(&d->out, "digraph network {\nlabel=\"");
    put_text(d, title);
    text_count(&count, d->net->parameters);
    text_printf(&d->out, ": %s parameters, ", text_str(&count));
    text_free(&count);
    text_count(&count, d->net->macs);
    text_printf(&d->out, "%s MACs\";\n", text_str(&count));
    text_free(&count);
    text_add(&d->out, "labelloc=t; rankdir=TB; fontname=\"Helvetica\"; nodesep=0.25; ranksep=0.3;\n"
                      "node [shape=box, style=\"filled,rounded\", fillcolor=\"#f4f4f4\", color=\"#666666\", "
                      "fontname=\"Helvetica\", fontsize=10, margin=\"0.12,0.05\"];\n"
                      "edge [color=\"#444444\", arrowsize=0.6];\n"
                      "graph [style=rounded, color=\"#999999\", fontsize=11];\n");
    put_boxes(d);
    put_arrows(d);
    text_add(&d->out, "}\n");
}

/* ---- drawing ---- */

static cvy_status run_dot(const char *source, const char *format, const char *target, errors *e)
{
    char *program = places_program("dot"), *kind = mem_printf("-T%s", format);
    cvy_status status = CVY_OK;
    if (!program) {
        status = errors_add(e, CVY_ERR_CONFIG, NULL, "apt-get install graphviz, or write FILE.dot",
                            "drawing a network as %s needs Graphviz, which is not installed", format);
    } else {
        const char *argv[] = {program, kind, "-o", target, source, NULL};
        process_options o = {.argv = argv, .input = -1, .output = -1, .messages = STDERR_FILENO, .pass = -1};
        process p;
        status = process_start(&o, &p, e);
        if (!status) {
            bool ended = process_wait(&p, DRAW_SECONDS);
            if (!ended) process_stop(&p, 1);
            if (!ended || p.code || p.signal)
                status = errors_add(e, CVY_ERR_RESOURCE, NULL, NULL, "Graphviz %s",
                                    ended ? "failed" : "did not end");
            process_free(&p);
        }
    }
    mem_free(program);
    mem_free(kind);
    return status;
}

/* The picture appears whole or not at all. */
static cvy_status draw(const text *graph, const char *format, const char *file, errors *e)
{
    char *source = mem_printf("%s.%ld.dot", file, (long)getpid()),
         *target = mem_printf("%s.%ld.tmp", file, (long)getpid()), *bytes = NULL;
    size_t n = 0;
    cvy_status status = file_replace(source, text_str(graph), graph->n, e);
    if (!status) status = run_dot(source, format, target, e);
    if (!status) status = file_read(target, (size_t)1 << 30, &bytes, &n, e);
    if (!status) status = file_replace(file, bytes, n, e);
    unlink(source);
    unlink(target);
    mem_free(source);
    mem_free(target);
    mem_free(bytes);
    return status;
}

cvy_status model_graph_draw(const net *n, const char *title, const char *file, errors *e)
{
    const char *dot = strrchr(file, '.');
    static const char *const formats[] = {"svg", "png", "pdf", "dot"};
    size_t format = 0;
    while (format < 4 && (!dot || strcmp(dot + 1, formats[format]) != 0)) format++;
    if (format == 4)
        return errors_add(e, CVY_ERR_CONFIG, NULL, "name it FILE.svg, FILE.png, FILE.pdf or FILE.dot",
                          "--graph %s: no known kind of picture", file);
    drawing d = {
        .net = n, .box = mem_array(n->n_nodes, sizeof(int)), .readers = mem_array(n->n_nodes, sizeof(int))};
    find_boxes(&d);
    put_graph(&d, title);
    cvy_status status = format == 3 ? file_replace(file, text_str(&d.out), d.out.n, e)
                                    : draw(&d.out, formats[format], file, e);
    mem_free(d.box);
    mem_free(d.readers);
    text_free(&d.out);
    return status;
}
