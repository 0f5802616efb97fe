/* Owns the checks of what the network gives against what it is compared with: the classes, the dataset's numbers or the input,
 * and the loss between them. Must not know how the network was made. */
#include "train/setup_own.h"

#include <math.h>

#include "convoy/loss.h"
#include "plugin/host.h"
#include "train/sizes.h"
#include "train/steps.h"

static void setup_shape_text(const cvy_shape *sample, text *t)
{
    for (int i = 0; i < sample->rank; i++) text_printf(t, "%s%lld", i ? ", " : "", (long long)sample->dim[i]);
}

/* Whether what a node gives can be compared with the input, number by number. */
static void setup_check_like_input(const setup *s, int unit, const cvy_shape *out, const cvy_shape *sample,
                                   errors *e)
{
    const net_node *n = &s->net->nodes[unit];
    cvy_shape y = {.rank = out->rank - 1};
    bool same = y.rank == sample->rank;
    for (int i = 0; i < y.rank; i++) {
        y.dim[i] = out->dim[i + 1];
        same = same && y.dim[i] == sample->dim[i];
    }
    if (same) return;
    text own = {0}, wanted = {0};
    setup_shape_text(&y, &own);
    setup_shape_text(sample, &wanted);
    errors_add(
        e, CVY_ERR_CONFIG, n->at.file ? &n->at : &s->data->at,
        "end the model with a layer of the input's shape; `dataset: {target: label}` compares with the class",
        "layer \"%s\" (%s): the network gives (%s) for each sample, and is compared with its input (%s): "
        "dataset.target is `input`",
        n->path, n->plugin->name, text_str(&own), text_str(&wanted));
    text_free(&own);
    text_free(&wanted);
}

/* Whether a node gives as many numbers as the dataset. */
static void setup_check_numbers(const setup *s, int unit, const cvy_shape *out, errors *e)
{
    const net_node *n = &s->net->nodes[unit];
    const int32_t targets = s->data->info.targets;
    if (out->rank == 2 && out->dim[1] == targets) return;
    cvy_shape y = {.rank = out->rank - 1};
    for (int i = 0; i < y.rank; i++) y.dim[i] = out->dim[i + 1];
    text own = {0}, hint = {0};
    setup_shape_text(&y, &own);
    text_printf(&hint, "end the model with `linear: {units: %d}`", (int)targets);
    errors_add(
        e, CVY_ERR_CONFIG, n->at.file ? &n->at : &s->data->at, text_str(&hint),
        "layer \"%s\" (%s): the network gives (%s) for each sample, and is compared with the dataset's %d "
        "number%s",
        n->path, n->plugin->name, text_str(&own), (int)targets, targets == 1 ? "" : "s");
    text_free(&own);
    text_free(&hint);
}

/* A loss that knows classes alone is not for other targets. */
static void setup_check_classes(const setup *s, const char *instead, errors *e)
{
    const node *slot = node_get(s->x->root, "loss");
    if (s->loss && ((const cvy_loss *)s->loss->type)->traits & CVY_LOSS_CLASSES)
        errors_add(e, CVY_ERR_CONFIG, slot ? &slot->at : NULL, "write `loss: mean_squared_error`, for one",
                   "loss (%s): compares with a class, and %s", s->loss->name, instead);
}

/* The nodes that a loss is taken of: the output, then the heads. */
static int setup_end(const setup *s, size_t i)
{
    return i == 0 ? s->net->output : s->net->heads[i - 1].node;
}

/* Whether what the ends give for samples of a shape is of the target's; shapes by node. */
static void setup_check_ends(const setup *s, const cvy_shape *shapes, const cvy_shape *sample, errors *e)
{
    for (size_t i = 0; i <= s->net->n_heads; i++) {
        const int unit = setup_end(s, i);
        if (data_target(s->data) == TARGET_NUMBERS)
            setup_check_numbers(s, unit, &shapes[unit], e);
        else if (data_target(s->data) == TARGET_INPUT)
            setup_check_like_input(s, unit, &shapes[unit], sample, e);
    }
}

/* Whether there is what the output is to be compared with; false after reporting. */
static bool setup_check_target(const setup *s, const cvy_shape *shapes, errors *e)
{
    size_t before = errors_count(e);
    setup_check_ends(s, shapes, &s->data->sample, e);
    if (data_target(s->data) == TARGET_NUMBERS) {
        setup_check_classes(s, "the dataset gives numbers", e);
    } else if (s->data_settings.target == TARGET_INPUT) {
        setup_check_classes(s, "dataset.target is `input`", e);
    } else if (s->loss && s->data->info.classes < 1) {
        errors_add(e, CVY_ERR_CONFIG, &s->data->at, "`dataset: {target: input}` compares with the input",
                   "the dataset has no classes to compare the network's output with");
    }
    return errors_count(e) == before;
}

/* Whether the loss can be taken of a node: the network's output or a head. */
static void setup_check_loss(const setup *s, int unit, const cvy_shape *out, errors *e)
{
    const cvy_shape y = *out;
    const node *slot = node_get(s->x->root, "loss");
    const place *at = &s->net->nodes[unit].at;
    host h = host_make(e, CVY_ERR_CONFIG, at->file ? at : slot ? &slot->at : NULL, s->x->seed, NULL);
    errors_push(e, "loss (%s)", s->loss->name);
    size_t before = errors_count(e);
    int32_t classes = data_target(s->data) == TARGET_LABEL ? s->data->info.classes : 0;
    if (((const cvy_loss *)s->loss->type)->check(&h.face, &y, classes, s->loss_config) &&
        errors_count(e) == before)
        h.face.fail(&h.face, "does not fit the network's output");
    errors_pop(e);
}

/* Whether the loss takes shares of classes: it is asked about an even mixture. */
static void setup_check_shares(const setup *s, errors *e)
{
    const data *d = s->data;
    if (!steps_mix_classes(d)) return;
    const int32_t classes = d->info.classes;
    const node *slot = node_get(s->x->root, "loss");
    errors own = {0};
    host h = host_make(&own, CVY_ERR_CONFIG, slot ? &slot->at : NULL, s->x->seed, NULL);
    cvy_shape shape = cvy_shape2(1, classes);
    float *y = mem_array((size_t)classes * 2, sizeof *y), *target = y + classes;
    for (int32_t k = 0; k < classes; k++) y[k] = 0.5f, target[k] = 1 / (float)classes;
    cvy_loss_call call = {
        .host = &h.face, .shape = &shape, .y = y, .target = target, .sum = (double)NAN, .weight = 1};
    size_t k = 0;
    while (!(d->steps[k].traits & CVY_AUGMENT_MIX)) k++;
    const bool refused =
        ((const cvy_loss *)s->loss->type)->evaluate(&call, s->loss_config) || errors_count(&own);
    if (refused)
        errors_add(e, CVY_ERR_CONFIG, slot ? &slot->at : &d->at, "softmax_cross_entropy does",
                   "loss (%s): does not take shares of several classes, and %s (%s) mixes them%s%s",
                   s->loss->name, d->steps[k].path, d->steps[k].child->plugin->name, own.n ? ": " : "",
                   own.n ? own.items[0].what : "");
    errors_free(&own);
    mem_free(y);
}

/* Networks take samples of any size as long as no weight depends on it. */
static void setup_check_size(const setup *s, const cvy_shape *sample, errors *e)
{
    errors own = {0};
    cvy_shape *shapes = mem_array(s->net->n_nodes, sizeof *shapes);
    if (!net_infer(s->net, sample, 1, shapes, NULL, NULL, &own)) {
        setup_check_ends(s, shapes, sample, &own);
        for (size_t i = 0; i <= s->net->n_heads; i++)
            setup_check_loss(s, setup_end(s, i), &shapes[setup_end(s, i)], &own);
    }
    mem_free(shapes);
    text one = {0}, other = {0};
    sizes_text(sample, &one);
    sizes_text(&s->data->sample, &other);
    for (size_t i = 0; i < own.n; i++) {
        const message *m = &own.items[i];
        const place at = {m->file, m->line, m->column, m->offset, m->source};
        if (!m->warning)
            errors_add(e, m->status, &at,
                       "bring all samples to one size with `resize` or a crop in dataset.augment, or put "
                       "global_avg_pool in front of the layer (where `flatten` is), which takes any",
                       "samples of %s beside samples of %s: %s", text_str(&one), text_str(&other), m->what);
    }
    errors_free(&own);
    text_free(&one);
    text_free(&other);
}

void setup_check_outputs(setup *s, bool all, errors *e)
{
    size_t before = errors_count(e);
    cvy_shape *shapes = mem_array(s->net->n_nodes, sizeof *shapes);
    for (size_t i = 0; i < s->net->n_nodes; i++) shapes[i] = s->net->nodes[i].out;
    bool comparable = setup_check_target(s, shapes, e);
    if (all && comparable && s->loss) {
        for (size_t i = 0; i <= s->net->n_heads; i++)
            setup_check_loss(s, setup_end(s, i), &shapes[setup_end(s, i)], e);
        if (errors_count(e) == before) setup_check_shares(s, e);
        for (size_t g = 1; g < s->data->n_groups && errors_count(e) == before; g++)
            setup_check_size(s, &s->data->groups[g], e);
    }
    mem_free(shapes);
}
