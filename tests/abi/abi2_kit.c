/* One plugin of every kind, for the test of binary compatibility. abi2_kit.so beside this file was built from it, once,
 * with the headers of plugin ABI 2 on x86-64:
 *
 *   cc -O2 -shared -fPIC -s -Wl,-z,noseparate-code -Wl,--build-id=none -Icore/include -o abi2_kit.so abi2_kit.c
 *
 * It is not built again: that today's Convoy trains with yesterday's plugin is what is tested. Every struct that
 * crosses the border is read or filled here, every operator with its attributes emitted. */
#include "convoy/augment.h"
#include "convoy/dataset.h"
#include "convoy/layer.h"
#include "convoy/loss.h"
#include "convoy/optimizer.h"

static int same(const char *a, const char *b)
{
    while (*a && *a == *b) a++, b++;
    return *a == *b;
}

/* ---- a layer with code of its own: y = scale[c] x ---- */

typedef struct scale_config {
    double start;
    int64_t pair[2], triple[3], count;
    int32_t mode, on;
    const char *note;
    cvy_floats weights;
    cvy_ints numbers;
    cvy_padding padding;
} scale_config;

static const char *const modes[] = {"each", "same", NULL};

/* One parameter of every kind: their layout is part of the ABI. */
static const cvy_param scale_params[] = {
    CVY_FLOAT(scale_config, start, 1, -10, 10, "what the scales start at"),
    CVY_ALSO("init gamma"),
    CVY_PAIR(scale_config, pair, "[1, 2]", 1, 9, "must come as it was given"),
    CVY_TRIPLE(scale_config, triple, "1", 1, 9, "must come as it was given"),
    CVY_INT(scale_config, count, 7, 0, 9, "must be its default"),
    CVY_ENUM(scale_config, mode, each, modes, "must be each"),
    CVY_BOOL(scale_config, on, true, "must be true"),
    CVY_STRING(scale_config, note, "null", "must be kept"),
    CVY_FLOATS(scale_config, weights, "[0.5, 0.25]", 0, 1, "must come as they were given"),
    CVY_INTS(scale_config, numbers, "[3]", 0, 9, "must come as they were given"),
    CVY_PADDING(scale_config, padding, "0", 2, 9, "must come as it was given"),
};

static int scale_infer(cvy_infer *in, const void *config)
{
    const scale_config *c = config;
    int64_t before = 0, after = 0;
    cvy_pad(&c->padding, 1, 8, 3, 1, &before, &after);
    if (c->pair[0] != 3 || c->pair[1] != 4 || c->triple[0] != 5 || c->triple[2] != 7 || c->count != 7 ||
        c->mode != 0 || c->on != 1 || !c->note || !same(c->note, "kept") || c->weights.n != 2 ||
        c->weights.v[0] != 0.5 || c->weights.v[1] != 0.75 || c->numbers.n != 3 || c->numbers.v[2] != 9 ||
        before != 2 || after != 4)
        return cvy_fail(in, "the parameters did not come as they were given");
    const cvy_shape channels = cvy_shape1(in->in[0].dim[1]);
    in->out = in->in[0];
    in->traits = CVY_READS_X;
    in->saved_bytes = 64;
    in->scratch_bytes = 64;
    in->macs = 1000;
    in->warn(in, "a warning of the kit");
    if (in->weight(in, "scale", &channels, cvy_constant(c->start))) return 1;
    return in->buffer(in, "seen", &channels, 0);
}

typedef struct part {
    const cvy_plain *call;
    int64_t channels, pixels;
} part;

static void scale_some(void *ctx, int64_t begin, int64_t end)
{
    const part *p = ctx;
    for (int64_t at = begin; at < end; at++)
        for (int64_t i = at * p->pixels; i < (at + 1) * p->pixels; i++)
            p->call->y[i] = p->call->w[0][at % p->channels] * p->call->x[0][i];
}

static int scale_forward(const cvy_plain *call, const void *config)
{
    (void)config;
    part p = {call, call->in[0].dim[1], 0};
    p.pixels = cvy_sample_count(&call->in[0]) / p.channels;
    call->host->parallel_for(call->host, call->in[0].dim[0] * p.channels, 1, scale_some, &p);
    if (!call->train) return 0;
    float drawn[2];
    call->uniform(call, 0, 0, 2, drawn);
    if (drawn[0] < 0 || drawn[0] >= 1 || drawn[0] == drawn[1]) return cvy_fail(call, "no random numbers");
    for (int64_t c = 0; c < p.channels; c++) call->buffers[0][c] += 1;
    *(int64_t *)call->saved = 4711;
    *(char *)call->scratch = 1;
    cvy_log(call, "scale", (double)call->w[0][0]);
    return 0;
}

static int scale_backward(const cvy_plain *call, const void *config)
{
    (void)config;
    if (call->train && *(const int64_t *)call->saved != 4711)
        return cvy_fail(call, "what forward saved did not reach backward");
    const int64_t channels = call->in[0].dim[1], pixels = cvy_sample_count(&call->in[0]) / channels;
    for (int64_t c = 0; c < channels; c++) {
        double sum = 0;
        for (int64_t n = 0; n < call->in[0].dim[0]; n++) {
            const int64_t at = (n * channels + c) * pixels;
            for (int64_t i = at; i < at + pixels; i++) {
                sum += (double)(call->gy[i] * call->x[0][i]);
                if (call->gx[0]) call->gx[0][i] = call->gy[i] * call->w[0][c];
            }
        }
        if (call->gw[0]) call->gw[0][c] = (cvy_real)sum;
    }
    return 0;
}

static const cvy_layer scale_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .infer = scale_infer,
    .forward = scale_forward,
    .backward = scale_backward,
};
CVY_DESCRIBE(CVY_LAYER, abi2_scale, "Scale", "A learned scale for each channel, built against ABI 2",
             "a paper, section 1", scale_config, &scale_layer, CVY_PARAMS(scale_params));

/* ---- a layer that speaks in operators: nearly all of them, one after the other ---- */

enum { WIDE = 4 };

static int ops_infer(cvy_infer *in, const void *config)
{
    (void)config;
    const cvy_shape *x = &in->in[0], weight = cvy_shape4(WIDE, x->dim[1], 3, 3), channels = cvy_shape1(WIDE),
                    full = cvy_shape2(WIDE, WIDE);
    const cvy_init uniform = {CVY_INIT_UNIFORM, 0.2}, normal = {CVY_INIT_NORMAL, 0.2};
    in->out = cvy_shape2(x->dim[0], WIDE);
    in->traits = CVY_READS_X;
    return in->weight(in, "weight", &weight, uniform) ||
           in->weight(in, "gamma", &channels, cvy_constant(1)) ||
           in->weight(in, "beta", &channels, cvy_constant(0)) || in->weight(in, "full", &full, normal) ||
           in->buffer(in, "running_mean", &channels, 0) || in->buffer(in, "running_var", &channels, 1);
}

static int ops_plain(const cvy_plain *call, const void *config)
{
    (void)config;
    return cvy_fail(call, "only its operators are asked for here");
}

static cvy_value ops_lower(cvy_lower *l, const void *config)
{
    (void)config;
    const cvy_conv_attr conv = {
        .stride = {1, 1}, .dilation = {1, 1}, .padding = {1, 1, 1, 1}, .groups = 1, .flip = 0};
    const cvy_bn_attr bn = {.eps = 1e-5, .momentum = 0.1};
    const cvy_activation_attr act = {.function = CVY_SCALED_TANH, .alpha = 1.5, .beta = 0.7};
    const cvy_pool_attr pool = {.function = CVY_POOL_AVG,
                                .count_padding = 0,
                                .kernel = {2, 2},
                                .stride = {2, 2},
                                .padding = {0, 0, 0, 0},
                                .beyond = {0, 0},
                                .dilation = {1, 1}};
    const cvy_dropout_attr drop = {.p = 0.1};
    const cvy_shortcut_attr shortcut = {.stride = {2, 2}, .before = 1, .after = 1};

    const cvy_value weighed[] = {cvy_in(0), cvy_weight(0)};
    const cvy_value y = l->op(l, CVY_OP_CONV, weighed, 2, &conv);
    cvy_value normed;
    if (l->train) {
        const cvy_value measured[] = {y, cvy_buffer(0), cvy_buffer(1)};
        const cvy_value stats = l->op(l, CVY_OP_BN_STATS, measured, 3, &bn);
        const cvy_value applied[] = {y, stats, cvy_weight(1), cvy_weight(2)};
        normed = l->op(l, CVY_OP_BN_APPLY, applied, 4, &bn);
        normed = l->op(l, CVY_OP_DROPOUT, &normed, 1, &drop);
    } else {
        const cvy_value applied[] = {y, cvy_buffer(0), cvy_buffer(1), cvy_weight(1), cvy_weight(2)};
        normed = l->op(l, CVY_OP_BN_APPLY, applied, 5, &bn);
    }
    const cvy_value active = l->op(l, CVY_OP_ACTIVATION, &normed, 1, &act);
    const cvy_value pooled = l->op(l, CVY_OP_POOL, &active, 1, &pool);
    const cvy_value beside = l->op(l, CVY_OP_SHORTCUT_PAD, &active, 1, &shortcut);
    const cvy_value both[] = {pooled, beside};
    const cvy_value joined = l->op(l, CVY_OP_CONCAT, both, 2, NULL); /* 4 and 6 channels */
    const cvy_value mean = l->op(l, CVY_OP_GLOBAL_AVG, &pooled, 1, NULL);
    const cvy_value full[] = {mean, cvy_weight(3)};
    const cvy_value mixed = l->op(l, CVY_OP_LINEAR, full, 2, NULL);
    const cvy_value terms[] = {mean, mixed};
    const cvy_value sum = l->op(l, CVY_OP_ADD, terms, 2, NULL);
    const cvy_reshape_attr as_it_is = {.shape = *l->out};
    return joined < 0 ? joined : l->op(l, CVY_OP_RESHAPE, &sum, 1, &as_it_is);
}

static const cvy_layer ops_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .infer = ops_infer,
    .forward = ops_plain,
    .backward = ops_plain,
    .lower = ops_lower,
};
CVY_DESCRIBE(CVY_LAYER, abi2_ops, "", "Operators one after the other", "", cvy_no_config, &ops_layer,
             CVY_NO_PARAMS);

/* ---- a composite: layers of its own, a list of the user's, a head ---- */

typedef struct block_config {
    cvy_layers inner;
} block_config;

static const cvy_param block_params[] = {
    CVY_LAYERS(block_config, inner, "[]", "what stands in the middle"),
};

static int32_t block_build(cvy_build *b, const void *config)
{
    const block_config *c = config;
    int32_t x = 0;
    const cvy_shape *shape = b->shape(b, x);
    if (!shape || shape->dim[1] != b->in[0].dim[1]) return -1;
    x = b->layer(b, "first", "conv2d", &x, 1, "channels: %d, kernel: 3, padding: 1", WIDE);
    x = b->layers(b, "inner", &c->inner, x);
    int32_t side = b->layer(b, "side.pool", "global_avg_pool", &x, 1, NULL);
    side = b->layer(b, "side.fc", "linear", &side, 1, "units: classes");
    if (b->head(b, side, 0.5)) return -1;
    return b->layer(b, "last", "relu", &x, 1, NULL);
}

static const cvy_layer block_layer = {
    .size = sizeof(cvy_layer), .min_in = 1, .max_in = 1, .build = block_build};
CVY_DESCRIBE(CVY_LAYER, abi2_block, "", "A composite with a list and a head", "", block_config, &block_layer,
             CVY_PARAMS(block_params));

/* ---- a loss: half the squared distance to the one-hot label ---- */

static int half_check(const cvy_host *host, const cvy_shape *output, int32_t classes, const void *config)
{
    (void)config;
    if (output->rank == 2 && output->dim[1] == classes) return 0;
    return host->fail(host, "%d classes and another output", (int)classes);
}

static int half_evaluate(cvy_loss_call *call, const void *config)
{
    (void)config;
    const int64_t n = call->shape->dim[0], k = call->shape->dim[1];
    double sum = 0;
    for (int64_t i = 0; i < n * k; i++) {
        const double away = (double)call->y[i] - (call->labels[i / k] == i % k ? 1 : 0);
        sum += away * away / 2;
        if (call->gy) call->gy[i] = (cvy_real)(away / (double)n);
    }
    call->loss = sum / (double)n;
    call->sum = sum;
    call->weight = (double)n;
    return 0;
}

static const cvy_loss half_type = {
    .size = sizeof(cvy_loss), .check = half_check, .evaluate = half_evaluate, .traits = CVY_LOSS_CLASSES};
CVY_DESCRIBE(CVY_LOSS, abi2_half_square, "", "Half the squared distance", "", cvy_no_config, &half_type,
             CVY_NO_PARAMS);

/* ---- an optimizer with state ---- */

typedef struct step_config {
    double lr;
} step_config;

static const cvy_param step_params[] = {CVY_FLOAT(step_config, lr, 0.1, 0, 10, "learning rate")};

static const char *const *step_slots(const void *config)
{
    static const char *const names[] = {"velocity", NULL};
    (void)config;
    return names;
}

static int step_update(const cvy_update *u, const void *config)
{
    const step_config *c = config;
    if (u->step < 1) return cvy_fail(u, "steps count from 1");
    for (int64_t i = 0; i < u->n; i++) {
        u->slots[0][i] = (cvy_real)0.9 * u->slots[0][i] + u->g[i];
        u->w[i] -= (cvy_real)(c->lr * u->lr_factor) * u->slots[0][i];
    }
    return 0;
}

static const cvy_optimizer step_type = {sizeof(cvy_optimizer), 1, step_slots, step_update};
CVY_DESCRIBE(CVY_OPTIMIZER, abi2_step, "", "Momentum", "", step_config, &step_type, CVY_PARAMS(step_params));

/* ---- a dataset: the brighter half tells the class ---- */

static int halves_open(cvy_dataset_open *o, const void *config, void **state)
{
    static const char *const names[] = {"left", "right"};
    (void)config;
    if (!o->base_dir || !o->data_dir) return cvy_fail(o, "no folders");
    o->info.n[CVY_TRAIN] = 200;
    o->info.n[CVY_TEST] = 40;
    o->info.sample.rank = 3;
    o->info.sample.dim[0] = 1;
    o->info.sample.dim[1] = o->info.sample.dim[2] = 8;
    o->info.element = CVY_F32;
    o->info.classes = 2;
    o->info.class_names = names;
    *state = (void *)names;
    return 0;
}

static int halves_read(cvy_dataset_read *r, const void *config, const void *state)
{
    (void)config, (void)state;
    cvy_random random = r->host->random(r->host, "halves", (uint64_t)r->index, r->split);
    r->label = (int32_t)cvy_below(&random, 2);
    float *pixels = r->pixels;
    for (int i = 0; pixels && i < 64; i++) pixels[i] = cvy_unit(&random) + (i % 8 / 4 == r->label ? 0.5f : 0);
    return 0;
}

static void halves_close(void *state)
{
    (void)state;
}

static const cvy_dataset halves_type = {sizeof(cvy_dataset), halves_open, halves_read, halves_close};
CVY_DESCRIBE(CVY_DATASET, abi2_halves, "", "Images with a brighter half", "", cvy_no_config, &halves_type,
             CVY_NO_PARAMS);

/* ---- an augmentation ---- */

static int shift_infer(const cvy_host *host, const void *config, const cvy_shape *in, cvy_shape *out)
{
    (void)config;
    *out = *in;
    return in->rank == 3 ? 0 : host->fail(host, "needs images");
}

static int shift_apply(cvy_augment_call *call, const void *config)
{
    (void)config;
    const float by = call->train ? cvy_unit(call->random) * 0.1f : 0.05f;
    const int64_t n = cvy_count(call->out);
    for (int64_t i = 0; i < n; i++) call->y[i] = call->x[i] + by - call->stats->mean[0];
    return 0;
}

static const cvy_augment shift_type = {sizeof(cvy_augment), CVY_AUGMENT_ALWAYS | CVY_AUGMENT_STATS,
                                       shift_infer, shift_apply};
CVY_DESCRIBE(CVY_AUGMENT, abi2_shift, "", "A random brightness", "", cvy_no_config, &shift_type,
             CVY_NO_PARAMS);

CVY_EXPORT(&cvy_describe_abi2_scale, &cvy_describe_abi2_ops, &cvy_describe_abi2_block,
           &cvy_describe_abi2_half_square, &cvy_describe_abi2_step, &cvy_describe_abi2_halves,
           &cvy_describe_abi2_shift);
