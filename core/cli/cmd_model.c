/* `convoy model`: a network's layers, sizes and costs, and what the planner makes of them. */
#include <string.h>

#include "cli/cli.h"
#include "cli/model_graph.h"
#include "cli/subject.h"
#include "cli/table.h"
#include "graph/freeze.h"
#include "graph/plan.h"

typedef struct model_options {
    bool layouts;
    int64_t batch;
    const char *graph;
} model_options;

static const option_row rows[] = {
    OPTION(model_options, layouts, 0, OPTION_FLAG, NULL,
           "show the steps of a training plan instead: kernels, layouts, conversions, fusion"),
    OPTION_NUMBER(model_options, batch, 'b', "N", 0, 0, 1 << 20,
                  "samples in a batch; without it the experiment's batch size, or 128"),
    OPTION(model_options, graph, 'g', OPTION_TEXT, "FILE",
           "also draw the network: FILE.svg, .png or .pdf by Graphviz, or its input, FILE.dot"),
};

/* What is shown, found once for people and machines alike. */
typedef struct view {
    const char *name;
    const net *net;
    const plan *plan; /* of training */
    int64_t batch;
} view;

static int64_t weights_of(const net *n, const net_node *unit)
{
    int64_t count = 0;
    for (int i = 0; i < unit->n_weights; i++) count += n->weights[unit->first_weight + i].count;
    return count;
}

static int64_t buffers_of(const net *n)
{
    int64_t count = 0;
    for (size_t i = 0; i < n->n_buffers; i++) count += n->buffers[i].count;
    return count;
}

/* Weights, their gradients and two moments, as Adam keeps, with what a step needs besides. */
static int64_t training_bytes(const view *v)
{
    return 4 * v->net->parameters * (int64_t)sizeof(float) + (int64_t)plan_bytes(v->plan);
}

static void bytes_text(double bytes, text *t)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t u = 0;
    while (bytes >= 1024 && u + 1 < sizeof units / sizeof *units) bytes /= 1024, u++;
    text_printf(t, u ? "%.1f %s" : "%.0f %s", bytes, units[u]);
}

/* ---- for machines ---- */

static void json_shape(json_writer *w, const char *key, const cvy_shape *s)
{
    json_key(w, key);
    json_open(w, '[');
    for (int i = 1; i < s->rank; i++) json_int(w, s->dim[i]); /* the batch is not the network's */
    json_close(w, ']');
}

static void json_layers(json_writer *w, const net *n)
{
    json_key(w, "layers");
    json_open(w, '[');
    for (size_t i = 1; i < n->n_nodes; i++) {
        const net_node *unit = &n->nodes[i];
        json_open(w, '{');
        json_put_text(w, "name", unit->path);
        json_put_text(w, "type", unit->plugin->name);
        json_key(w, "inputs");
        json_open(w, '[');
        for (int k = 0; k < unit->n_in; k++) json_text(w, n->nodes[unit->in[k]].path);
        json_close(w, ']');
        json_shape(w, "shape", &unit->out);
        json_put_int(w, "parameters", weights_of(n, unit));
        json_put_int(w, "macs", unit->macs);
        json_close(w, '}');
    }
    json_close(w, ']');
}

static void json_steps(json_writer *w, const plan *p)
{
    json_key(w, "steps");
    json_open(w, '[');
    for (size_t i = 0; i < plan_steps(p); i++) {
        plan_step_info step = plan_step(p, i);
        json_open(w, '{');
        json_put_text(w, "pass", step.backward ? "backward" : "forward");
        json_put_text(w, "layer", step.path);
        json_put_text(w, "op", step.op);
        json_put_text(w, "kernel", step.kernel);
        json_put_text(w, "layouts", step.layouts);
        json_put_text(w, "fused", step.fused);
        json_put_bool(w, "conversion", step.conversion);
        json_close(w, '}');
    }
    json_close(w, ']');
    json_key(w, "conversions");
    json_open(w, '{');
    json_put_int(w, "forward", (int64_t)plan_conversions(p, false));
    json_put_int(w, "backward", (int64_t)plan_conversions(p, true));
    json_close(w, '}');
}

static void show_json(const view *v, bool layouts)
{
    const net *n = v->net;
    json_writer w = {0};
    json_open(&w, '{');
    json_put_text(&w, "model", v->name);
    json_shape(&w, "input", &n->nodes[0].out);
    json_key(&w, "parameters");
    json_open(&w, '{');
    json_put_int(&w, "total", n->parameters);
    json_put_int(&w, "trainable", freeze_trainable(n));
    json_close(&w, '}');
    json_put_int(&w, "buffers", buffers_of(n));
    json_put_int(&w, "macs", n->macs);
    json_put_int(&w, "batch", v->batch);
    json_key(&w, "memory_bytes");
    json_open(&w, '{');
    json_put_int(&w, "weights", n->parameters * (int64_t)sizeof(float));
    json_put_int(&w, "training_plan", (int64_t)plan_bytes(v->plan));
    json_put_int(&w, "training", training_bytes(v));
    json_close(&w, '}');
    json_layers(&w, n);
    if (layouts) json_steps(&w, v->plan);
    json_close(&w, '}');
    cli_print_json(&w);
}

/* ---- for people ---- */

static void cell_count(table *t, int64_t count)
{
    text s = {0};
    text_count(&s, count);
    table_cell(t, text_str(&s));
    text_free(&s);
}

static void show_layers(const common *c, const view *v)
{
    const net *n = v->net;
    table t = {0};
    table_column(&t, "LAYER", TABLE_LEFT);
    table_column(&t, "TYPE", TABLE_LEFT);
    table_column(&t, "OUTPUT", TABLE_LEFT);
    table_column(&t, "PARAMETERS", TABLE_RIGHT);
    table_column(&t, "MACS", TABLE_RIGHT);
    for (size_t i = 0; i < n->n_nodes; i++) {
        const net_node *unit = &n->nodes[i];
        text shape = {0};
        net_shape_text(&unit->out, &shape);
        table_cell(&t, unit->path);
        table_cell(&t, unit->plugin ? unit->plugin->name : "");
        table_cell(&t, text_str(&shape));
        text_free(&shape);
        cell_count(&t, weights_of(n, unit));
        cell_count(&t, unit->macs);
    }
    text out = {0};
    table_write(&t, cli_colour(c, stdout), &out);
    cli_print(&out);
    text_free(&out);
    table_free(&t);
}

static void show_totals(const view *v)
{
    const net *n = v->net;
    const double weights = (double)n->parameters * sizeof(float);
    text out = {0};
    text_printf(&out, "\n%zu layers, ", n->n_nodes - 1);
    text_count(&out, n->parameters);
    if (freeze_trainable(n) == n->parameters) {
        text_add(&out, " parameters (all trainable), ");
    } else {
        text_add(&out, " parameters (");
        text_count(&out, freeze_trainable(n));
        text_add(&out, " trainable), ");
    }
    text_count(&out, n->macs);
    text_printf(&out, " MACs per sample\ntraining on batches of %lld takes ", (long long)v->batch);
    bytes_text((double)training_bytes(v), &out);
    text_add(&out, " of memory: weights ");
    bytes_text(weights, &out);
    text_add(&out, ", gradients ");
    bytes_text(weights, &out);
    text_add(&out, ", two moments of an optimizer ");
    bytes_text(2 * weights, &out);
    text_add(&out, ", activations ");
    bytes_text((double)plan_bytes(v->plan), &out);
    text_char(&out, '\n');
    cli_print(&out);
    text_free(&out);
}

static void show_steps(const common *c, const view *v)
{
    static const char *const titles[] = {"", "PASS", "LAYER", "OP", "KERNEL", "LAYOUTS", "FUSED"};
    table t = {0};
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++) table_column(&t, titles[i], TABLE_LEFT);
    for (size_t i = 0; i < plan_steps(v->plan); i++) {
        plan_step_info step = plan_step(v->plan, i);
        table_cell(&t, step.conversion ? "*" : "");
        table_cell(&t, step.backward ? "backward" : "forward");
        table_cell(&t, step.path);
        table_cell(&t, step.op);
        table_cell(&t, step.kernel);
        table_cell(&t, step.layouts);
        table_cell(&t, step.fused);
    }
    text out = {0};
    table_write(&t, cli_colour(c, stdout), &out);
    text_printf(&out, "\n%zu steps; * conversions of layout: %zu forward, %zu backward\n",
                plan_steps(v->plan), plan_conversions(v->plan, false), plan_conversions(v->plan, true));
    cli_print(&out);
    text_free(&out);
    table_free(&t);
}

static int run(const command *self, const common *c, void *options, int argc, char **argv)
{
    const model_options *o = options;
    int code = subject_operands(self, c, argc, argv);
    if (code) return code;
    errors e = {0};
    subject u;
    plan *p = NULL;
    if (subject_open(&u, c, argc, argv, &e)) {
        view v = {u.x->model_name ? u.x->model_name : u.x->name, u.s->net, NULL,
                  o->batch ? o->batch : u.batch};
        machine m = machine_here();
        state none = {.net = u.s->net}; /* a plan that never runs needs no numbers */
        plan_options training = {.batch = v.batch, .train = true};
        v.plan = p = plan_new(u.s->net, &none, &m, &training, &e);
        if (p && c->json) {
            show_json(&v, o->layouts);
        } else if (p) {
            if (o->layouts)
                show_steps(c, &v);
            else
                show_layers(c, &v);
            show_totals(&v);
        }
        if (p && o->graph && !model_graph_draw(v.net, v.name, o->graph, &e))
            cli_say(c, "drawn: %s", o->graph);
    }
    plan_free(p);
    subject_close(&u);
    return cli_fail(c, &e);
}

const command cmd_model = {
    .name = "model",
    .summary = "Show a network: layers, shapes, parameters, MACs, memory, layouts",
    .usage = "convoy model NAME|FILE.yaml [PATH=VALUE ...] [--layouts] [--batch N] [--graph FILE] [--json]",
    .examples = "convoy model cifar_resnet20\n"
                "convoy model cifar_resnet20 --layouts --batch 64\n"
                "convoy model googlenet --graph googlenet.svg\n"
                "convoy model experiments/cifar10.yaml --json\n"
                "convoy model ./my_network.yaml --plugin ./maxout.so",
    .options = rows,
    .n_options = sizeof rows / sizeof *rows,
    .size = sizeof(model_options),
    .run = run,
};
