/* Tests samples of different sizes from their reading to the trained run: core/train/sizes, and what data, loader, plans,
 * stepper and setup make of it. */
#include "lab.h"

#include <math.h>
#include <string.h>

#include "base/parallel.h"
#include "rows.h"
#include "train/sizes.h"
#include "train/stepper.h"

enum { CLASSES = 4, CHANNELS = 2 };

/* A network that needs no particular size. */
static lab with_network(const char *dataset, const char *model, const char *train)
{
    char *yaml = lab_text("seed: 5\ndataset: %s\nmodel: %s\ntrain: {%s}\n", dataset, model, train);
    lab l = lab_try(yaml);
    mem_free(yaml);
    return l;
}

static lab good(lab l)
{
    if (!l.s) lab_says(&l, "\nthe test needs this experiment accepted");
    return l;
}

static const char any_size[] = "[global_avg_pool, {linear: {units: classes}}]";

static lab with_dataset(const char *dataset)
{
    return good(with_network(dataset, any_size, "batch_size: 7"));
}

static void refused(const char *dataset, const char *model, const char *const *parts)
{
    lab l = with_network(dataset, model, "batch_size: 7");
    assert_null(l.s);
    text t = {0};
    errors_text(&l.e, false, &t);
    for (; *parts; parts++)
        if (!strstr(text_str(&t), *parts)) fail_msg("expected \"%s\" in:\n%s", *parts, text_str(&t));
    text_free(&t);
    lab_close(&l);
}

static const char sixty[] = "{type: patchwork, train: 60, test: 20, validation: 12}";

/* As patchwork makes them, by the number of the plugin's sample. */
static cvy_shape shape_of(int64_t index)
{
    static const int64_t sides[6][2] = {{4, 4}, {4, 4}, {6, 8}, {4, 4}, {6, 8}, {8, 4}};
    return (cvy_shape){3, {CHANNELS, sides[index % 6][0], sides[index % 6][1]}};
}

/* ---- data ---- */

static void test_groups(void **unused)
{
    (void)unused;
    lab l = with_dataset(sixty);
    const data *d = l.s->data;
    assert_int_equal(d->n_groups, 3);
    assert_int_equal(cvy_count(&d->groups[0]), 96); /* the largest first */
    assert_int_equal(cvy_count(&d->groups[1]), 64);
    assert_int_equal(cvy_count(&d->groups[2]), 32);
    assert_true(sizes_same(&d->sample, &d->groups[0]));
    float x[128], *scratch = mem_array((size_t)data_scratch(d), sizeof *scratch);
    for (int part = 0; part < DATA_PARTS; part++) {
        int64_t n[3] = {0};
        for (int64_t i = 0; i < d->n[part]; i++) {
            const int64_t index = d->index[part][i];
            const cvy_shape own = shape_of(index);
            const size_t group = data_group_of(d, (data_part)part, i);
            assert_true(sizes_same(&d->groups[group], &own));
            n[group]++;
            int32_t label;
            memset(x, 0, sizeof x);
            assert_int_equal(data_read(d, (data_part)part, i, 0, x, &label, NULL, scratch, &l.e), CVY_OK);
            assert_int_equal(label, index % 4);
            const int64_t last = cvy_count(&own) - 1;
            const float first = (float)index + (part == DATA_TEST ? 1000.0f : 0.0f);
            assert_true(x[0] == first && fabsf(x[last] - first - 0.001f * (float)last) < 1e-3f);
            assert_true(x[last + 1] == 0);
        }
        for (int g = 0; g < 3; g++) assert_int_equal(n[g], d->grouped[part][g]);
    }
    mem_free(scratch);
    lab_close(&l);
}

static void test_steps_bring_to_one_size(void **unused)
{
    (void)unused;
    lab l = with_dataset("{type: patchwork, augment: [{random_crop: {size: 4, padding: 0}}]}");
    assert_int_equal(l.s->data->n_groups, 1);
    assert_int_equal(l.s->data->n_sizes, 3);
    assert_int_equal(cvy_count(&l.s->data->sample), 32);
    /* In evaluation the middle: of sample 2, which is 6x8, from row 1, column 2 on. */
    const data *d = l.s->data;
    float x[32], *scratch = mem_array((size_t)data_scratch(d), sizeof *scratch);
    for (int64_t i = 0; i < d->n[DATA_TEST]; i++) {
        int32_t label;
        if (d->index[DATA_TEST][i] != 2) continue;
        assert_int_equal(data_read(d, DATA_TEST, i, 0, x, &label, NULL, scratch, &l.e), CVY_OK);
        assert_true(fabsf(x[0] - 1002.010f) < 1e-3f && fabsf(x[16] - 1002.058f) < 1e-3f);
    }
    mem_free(scratch);
    lab_close(&l);
    l = with_dataset("{type: patchwork, augment: [{resize: {size: [5, 5]}}, horizontal_flip]}");
    assert_int_equal(l.s->data->n_groups, 1);
    lab_close(&l);
    l = with_dataset("{type: patchwork, one: true}"); /* what could vary and does not */
    assert_int_equal(l.s->data->n_groups, 1);
    assert_int_equal(l.s->data->n_sizes, 1);
    assert_int_equal(cvy_count(&l.s->data->sample), 96);
    lab_close(&l);
    l = with_dataset("{type: patchwork, augment: [{random_crop: {padding: 1}}, horizontal_flip]}");
    assert_int_equal(l.s->data->n_groups, 3);
    lab_close(&l);
}

static void test_refused(void **unused)
{
    (void)unused;
    refused("{type: patchwork, lie_at: 8}", any_size,
            (const char *[]){"training sample 8: read gave the shape 2x6x9",
                             "open declared 2x8x8 as the largest", NULL});
    refused("{type: patchwork, augment: [{center_crop: {size: 6}}]}", any_size,
            (const char *[]){"samples of 2x4x4: dataset.augment.0 (center_crop)",
                             "more than the image has, 4 pixels", NULL});
    refused(
        sixty, "[flatten, {linear: {units: classes, name: fc}}]",
        (const char *[]){"samples of 2x8x4 beside samples of 2x6x8: layer \"fc\" (linear): is made for one "
                         "size of input: \"fc.weight\" is (4, 96), and for this input it would be (4, 64)",
                         "`resize`", "global_avg_pool", NULL});
    refused(sixty, "[{max_pool2d: {kernel: 5}}, global_avg_pool, {linear: {units: classes}}]",
            (const char *[]){"samples of 2x8x4 beside", "max_pool2d", NULL});
    /* The images of an auto-encoder come out as they went in. */
    refused("{type: patchwork, target: input}", "[{conv2d: {channels: 2, kernel: 3}}]",
            (const char *[]){"is compared with its input", NULL});
    lab l = with_dataset("{type: patchwork, train: 20, validation: 0, grow: true}");
    float x[128], *scratch = mem_array((size_t)data_scratch(l.s->data), sizeof *scratch);
    int32_t label;
    assert_int_equal(data_read(l.s->data, DATA_TRAIN, 6, 0, x, &label, NULL, scratch, &l.e), CVY_OK);
    assert_int_not_equal(data_read(l.s->data, DATA_TRAIN, 7, 0, x, &label, NULL, scratch, &l.e), CVY_OK);
    lab_says(&l, "training sample 7 was 2x4x4 when the dataset was opened, and is 2x6x8 now");
    mem_free(scratch);
    lab_close(&l);
}

/* Steps that are for training alone may leave another shape than evaluation sees. */
static void test_training_of_another_shape(void **unused)
{
    (void)unused;
    lab l = good(with_network(
        "{type: patchwork, one: true, validation: 12, augment: [shave, {random_crop: {padding: 0}}]}",
        any_size, "batch_size: 7, epochs: 1, optimizer: {sgd: {lr: 1e-4}}"));
    const data *d = l.s->data;
    assert_int_equal(d->n_groups, 2);
    assert_int_equal(d->groups[0].dim[1], 6);
    assert_int_equal(d->groups[1].dim[1], 5);
    assert_int_equal(d->grouped[DATA_TRAIN][0], 0);
    assert_int_equal(d->grouped[DATA_TRAIN][1], 48);
    assert_int_equal(d->grouped[DATA_TEST][0], 20);
    float x[96], *scratch = mem_array((size_t)data_scratch(d), sizeof *scratch);
    for (int part = 0; part < DATA_PARTS; part++) {
        int32_t label;
        assert_int_equal(data_read(d, (data_part)part, 0, 0, x, &label, NULL, scratch, &l.e), CVY_OK);
        const float first = (float)d->index[part][0] + (part == DATA_TEST ? 1000.0f : 0.0f);
        assert_true(fabsf(x[0] - first - (part == DATA_TRAIN ? 0.008f : 0.0f)) < 1e-3f);
    }
    mem_free(scratch);
    assert_int_equal(lab_train(&l, 0, 0), CVY_OK);
    data_validate_on_training(l.s->data);
    assert_int_equal(d->grouped[DATA_VALIDATION][0], 48);
    lab_close(&l);
}

/* Every pixel counts alike: larger images weigh more. */
static void test_statistics(void **unused)
{
    (void)unused;
    static const char set[] = "{type: patchwork, bytes: true, validation: 12, augment: [normalize]}";
    lab l = with_dataset(set), other = with_dataset(set);
    parallel_set_threads(1);
    assert_int_equal(data_prepare(l.s->data, &l.e), CVY_OK);
    parallel_set_threads(3);
    assert_int_equal(data_prepare(other.s->data, &other.e), CVY_OK);
    parallel_set_threads(0);
    const data *d = l.s->data;
    assert_memory_equal(d->stats.mean, other.s->data->stats.mean, CHANNELS * sizeof(float));
    assert_memory_equal(d->stats.std, other.s->data->stats.std, CHANNELS * sizeof(float));
    for (int64_t c = 0; c < CHANNELS; c++) {
        double n = 0, sum = 0, squares = 0;
        for (int64_t i = 0; i < d->n[DATA_TRAIN]; i++) {
            const int64_t index = d->index[DATA_TRAIN][i];
            const cvy_shape own = shape_of(index);
            const int64_t plane = own.dim[1] * own.dim[2];
            for (int64_t k = c * plane; k < (c + 1) * plane; k++) {
                const double v = (double)(uint8_t)(index + k) / 255;
                n++, sum += v, squares += v * v;
            }
        }
        assert_true(fabs((double)d->stats.mean[c] - sum / n) < 1e-6);
        assert_true(fabs((double)d->stats.std[c] - sqrt(squares / n - sum * sum / n / n)) < 1e-6);
    }
    lab_close(&l), lab_close(&other);
}

/* Who is mixed with whom: only samples of equal shape can be. */
static void test_partners(void **unused)
{
    (void)unused;
    lab l =
        with_dataset("{type: patchwork, validation: 12, augment: [mixup, {resize: {size: [4, 4]}}, mixup]}");
    const data *d = l.s->data;
    int64_t seen = 0;
    for (int64_t i = 0; i < d->n[DATA_TRAIN]; i++) {
        int64_t n;
        const int64_t *peers = sizes_peers(d, 0, i, &n);
        const cvy_shape own = shape_of(d->index[DATA_TRAIN][i]);
        assert_non_null(peers);
        for (int64_t k = 0; k < n; k++) {
            const cvy_shape its = shape_of(d->index[DATA_TRAIN][peers[k]]);
            assert_true(sizes_same(&own, &its));
            assert_true(k == 0 || peers[k - 1] < peers[k]);
            seen += peers[k] == i;
        }
        sizes_peers(d, 2, i, &n);
        assert_int_equal(n, d->n[DATA_TRAIN]);
        for (int32_t epoch = 0; epoch < 20; epoch++) {
            const int64_t partner = steps_partner(d, 0, epoch, i);
            const cvy_shape its = shape_of(d->index[DATA_TRAIN][partner]);
            assert_true(partner != i && sizes_same(&own, &its));
        }
    }
    assert_int_equal(seen, d->n[DATA_TRAIN]);
    lab_close(&l);
}

/* ---- batches ---- */

/* Sample of the plugin that element i of a batch is. */
static int64_t number_of(const batch *b, int64_t i)
{
    return (int64_t)b->x[i * cvy_count(&b->shape)] % 1000;
}

static void check_batch(const data *d, data_part part, const batch *b)
{
    for (int64_t i = 0; i < b->n; i++) {
        const int64_t index = number_of(b, i);
        const cvy_shape own = shape_of(index);
        assert_true(sizes_same(&b->shape, &own));
        assert_int_equal(d->index[part][b->samples[i]], index);
        assert_int_equal(b->labels[i], index % 4);
    }
}

static void test_epochs(void **unused)
{
    (void)unused;
    lab l = with_dataset(sixty);
    const data *d = l.s->data;
    loader *r = loader_new(d, 7, &l.e);
    const int64_t batches = loader_batches(d, DATA_TRAIN, 7);
    int64_t expected = 0;
    for (int g = 0; g < 3; g++) expected += (d->grouped[DATA_TRAIN][g] + 6) / 7;
    assert_int_equal(batches, expected);
    assert_int_equal(l.s->steps_per_epoch, batches);
    int64_t order[2][48], small_last = 0, small = 0;
    enum { EPOCHS = 40 };
    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        char seen[60] = {0};
        int64_t n = 0, k = 0;
        loader_start(r, DATA_TRAIN, epoch, 7, 0);
        for (const batch *b; (b = loader_next(r, &l.e)); k++) {
            check_batch(d, DATA_TRAIN, b);
            assert_int_equal(b->first, n);
            small += b->n < 7;
            small_last += b->n < 7 && k >= batches / 2;
            for (int64_t i = 0; i < b->n; i++) {
                assert_int_equal(seen[number_of(b, i)]++, 0);
                order[epoch % 2][n++] = number_of(b, i);
            }
        }
        assert_int_equal(n, 48);
        assert_int_equal(k, batches);
    }
    assert_memory_not_equal(order[0], order[1], sizeof order[0]);
    /* The small ones stand anywhere. */
    assert_in_range(small_last, small / 4, 3 * small / 4);
    /* Evaluation: each shape's in order. */
    for (int part = DATA_VALIDATION; part <= DATA_TEST; part++) {
        int64_t n = 0, before[3] = {-1, -1, -1};
        loader_start(r, (data_part)part, 0, 5, 0);
        for (const batch *b; (b = loader_next(r, &l.e));) {
            check_batch(d, (data_part)part, b);
            for (int64_t i = 0; i < b->n; i++, n++) {
                int64_t *last = &before[data_group_of(d, (data_part)part, b->samples[i])];
                assert_true(b->samples[i] > *last);
                *last = b->samples[i];
            }
        }
        assert_int_equal(n, d->n[part]);
    }
    loader_free(r);
    lab_close(&l);
}

/* Entering at any batch gives what an undisturbed reader got there. */
static void test_restart_anywhere(void **unused)
{
    (void)unused;
    lab l = with_dataset(sixty);
    loader *r = loader_new(l.s->data, 7, &l.e);
    enum { MOST = 32 };
    float whole[MOST];
    int64_t sizes[MOST], n = 0;
    const batch *b;
    loader_start(r, DATA_TRAIN, 3, 7, 0);
    for (; (b = loader_next(r, &l.e)); n++) {
        assert_in_range(n, 0, MOST - 1);
        sizes[n] = b->n;
        whole[n] = 0;
        for (int64_t i = 0; i < b->n; i++) whole[n] += (float)(i + 1) * b->x[i * cvy_count(&b->shape)];
    }
    for (int64_t from = 0; from <= n; from++) {
        loader_start(r, DATA_TRAIN, 1, 7, 0); /* given up in between */
        if (from % 2) loader_next(r, &l.e);
        int64_t k = from;
        loader_start(r, DATA_TRAIN, 3, 7, from);
        for (; (b = loader_next(r, &l.e)); k++) {
            float sum = 0;
            assert_int_equal(b->n, sizes[k]);
            for (int64_t i = 0; i < b->n; i++) sum += (float)(i + 1) * b->x[i * cvy_count(&b->shape)];
            assert_true(sum == whole[k]);
        }
        assert_int_equal(k, n);
    }
    loader_free(r);
    lab_close(&l);
}

/* ---- training ---- */

/* The network by hand: the means of the channels, times weights (CLASSES, CHANNELS), and biases. */
typedef struct by_hand {
    double w[CLASSES][CHANNELS], b[CLASSES];
} by_hand;

/* The loss of sample i of a batch; adds its gradient times `scale`. */
static double sample_by_hand(const by_hand *own, const batch *b, int64_t i, double scale, by_hand *g)
{
    const int64_t count = cvy_count(&b->shape), plane = count / CHANNELS;
    double mean[CHANNELS] = {0}, y[CLASSES], sum = 0, most = -INFINITY;
    for (int64_t k = 0; k < count; k++) mean[k / plane] += (double)b->x[i * count + k] / (double)plane;
    for (int c = 0; c < CLASSES; c++) {
        y[c] = own->b[c] + own->w[c][0] * mean[0] + own->w[c][1] * mean[1];
        most = fmax(most, y[c]);
    }
    for (int c = 0; c < CLASSES; c++) sum += exp(y[c] - most);
    for (int c = 0; g && c < CLASSES; c++) {
        const double gy = scale * (exp(y[c] - most) / sum - (c == b->labels[i]));
        for (int k = 0; k < CHANNELS; k++) g->w[c][k] += gy * mean[k];
        g->b[c] += gy;
    }
    return log(sum) + most - y[b->labels[i]];
}

static double *parameter(by_hand *own, int i)
{
    return i < CLASSES * CHANNELS ? &own->w[i / CHANNELS][i % CHANNELS] : &own->b[i - CLASSES * CHANNELS];
}

static const float *weights_of(const stepper *w, int i)
{
    const net *n = w->s->net;
    return i < CLASSES * CHANNELS ? w->state->weights + n->weights[0].offset + i
                                  : w->state->weights + n->weights[1].offset + i - CLASSES * CHANNELS;
}

enum { PARAMETERS = CLASSES * CHANNELS + CLASSES };

/* Steps on batches of several shapes are those of a network that does not know of shapes, one batch after the other. */
static void test_training_by_hand(void **unused)
{
    (void)unused;
    lab l = good(with_network(
        "{type: patchwork, validation: 12, augment: [{normalize: {mean: [30, 30], std: [20, 20]}}]}",
        any_size, "batch_size: 7, epochs: 2, optimizer: {sgd: {lr: 0.1}}"));
    stepper w;
    assert_int_equal(stepper_open(&w, l.s, &l.e), CVY_OK);
    assert_int_equal(data_prepare(l.s->data, &l.e), CVY_OK);
    by_hand own;
    for (int i = 0; i < PARAMETERS; i++) *parameter(&own, i) = (double)*weights_of(&w, i);
    metrics sums = {0};
    step_at at = {0};
    step_result r;
    double loss_sum = 0;
    for (; at.epoch < 2; at.epoch++) {
        loader_start(w.loader, DATA_TRAIN, (int32_t)at.epoch, l.s->batch, 0);
        for (const batch *b; (b = loader_next(w.loader, &l.e)); at.step++) {
            by_hand g = {0};
            double loss = 0;
            for (int64_t i = 0; i < b->n; i++) loss += sample_by_hand(&own, b, i, 1 / (double)b->n, &g);
            loss_sum += loss;
            assert_int_equal(stepper_step(&w, b, &at, &sums, &r, &l.e), CVY_OK);
            assert_true(fabs(r.loss - loss / (double)b->n) < 1e-5 * (1 + fabs(r.loss)));
            for (int i = 0; i < PARAMETERS; i++) *parameter(&own, i) -= 0.1 * *parameter(&g, i);
        }
    }
    assert_int_equal(at.step, 2 * l.s->steps_per_epoch);
    assert_int_equal(sums.samples, 2 * 48);
    assert_true(fabs(metrics_loss(&sums) - loss_sum / 96) < 1e-5);
    for (int i = 0; i < PARAMETERS; i++)
        assert_true(fabs((double)*weights_of(&w, i) - *parameter(&own, i)) < 1e-5);

    metrics m;
    double expected = 0;
    for (int part = DATA_VALIDATION; part <= DATA_TEST; part++) {
        assert_int_equal(stepper_evaluate(&w, (data_part)part, &at, NULL, NULL, &m, &l.e), CVY_OK);
        assert_int_equal(m.samples, l.s->data->n[part]);
        expected = 0;
        loader_start(w.loader, (data_part)part, 0, 3, 0);
        for (const batch *b; (b = loader_next(w.loader, &l.e));)
            for (int64_t i = 0; i < b->n; i++) expected += sample_by_hand(&own, b, i, 0, NULL);
        assert_true(fabs(metrics_loss(&m) - expected / (double)m.samples) < 1e-4 * (1 + fabs(expected)));
    }
    stepper_close(&w);
    lab_close(&l);
}

/* Batches of several shapes in one update make the update of all their samples. */
static void test_updates_of_several_shapes(void **unused)
{
    (void)unused;
    static const char set[] =
        "{type: patchwork, validation: 0, train: 24, test: 0, augment: [{normalize: {mean: [12, 12], "
        "std: [8, 8]}}]}";
    lab l = good(with_network(set, any_size,
                              "batch_size: all, micro_batch: 5, epochs: 1, optimizer: {sgd: {lr: 0.1}}"));
    assert_int_equal(l.s->steps_per_epoch, 1);
    assert_true(l.s->gather == l.s->batches_per_epoch && l.s->gather > 3);
    stepper w;
    assert_int_equal(stepper_open(&w, l.s, &l.e), CVY_OK);
    by_hand own, g = {0};
    for (int i = 0; i < PARAMETERS; i++) *parameter(&own, i) = (double)*weights_of(&w, i);
    metrics sums = {0};
    step_at at = {.more = true};
    step_result r;
    loader_start(w.loader, DATA_TRAIN, 0, l.s->batch, 0);
    int64_t k = 0;
    for (const batch *b; (b = loader_next(w.loader, &l.e));) {
        for (int64_t i = 0; i < b->n; i++) sample_by_hand(&own, b, i, 1.0 / 24, &g);
        at.more = ++k < l.s->gather;
        assert_int_equal(stepper_step(&w, b, &at, &sums, &r, &l.e), CVY_OK);
    }
    for (int i = 0; i < PARAMETERS; i++)
        assert_true(fabs((double)*weights_of(&w, i) - *parameter(&own, i) + 0.1 * *parameter(&g, i)) < 1e-5);
    stepper_close(&w);
    lab_close(&l);
}

/* ---- plans ---- */

static void test_plans_make_room(void **unused)
{
    (void)unused;
    lab l = with_dataset(sixty);
    machine here = machine_here();
    step_log log;
    step_log_init(&log);
    state *s = state_new(l.s->net, 5, true, &l.e);
    plans p;
    plans_open(&p, l.s->net, s, &here, 5, &log);
    const cvy_shape sample = {3, {CHANNELS, 5, 5}};
    float x[64 * CHANNELS * 25], y[CLASSES];
    for (int i = 0; i < 64 * CHANNELS * 25; i++) x[i] = (float)(i % 17);
    plan *kept = plans_get(&p, &sample, 1, false, true, &l.e);
    assert_non_null(kept);
    assert_int_equal(plan_forward(kept, x, 0, 0, &l.e), CVY_OK);
    memcpy(y, plan_output(kept, NULL), sizeof y);
    for (int64_t i = 0; i < 600; i++) {
        const int64_t n = 2 + i / 10;
        const cvy_shape wide = {3, {CHANNELS, 5, 5 - (i % 10) / 2}};
        plan *one = plans_get(&p, &wide, n, i % 2, false, &l.e);
        assert_ptr_equal(one, plans_get(&p, &wide, n, i % 2, false, &l.e));
        assert_int_equal(plan_forward(one, x, 0, 0, &l.e), CVY_OK);
        for (int c = 0; i % 10 < 2 && c < CLASSES; c++)
            assert_true(fabsf(plan_output(one, NULL)[c] - y[c]) < 1e-5f);
        assert_in_range(p.n, 1, 257);
    }
    /* Over another memory by now, and as before. */
    assert_ptr_equal(kept, plans_get(&p, &sample, 1, false, false, &l.e));
    assert_int_equal(plan_forward(kept, x, 0, 0, &l.e), CVY_OK);
    assert_memory_equal(y, plan_output(kept, NULL), sizeof y);
    plans_close(&p);
    state_free(s);
    step_log_free(&log);
    lab_close(&l);
}

/* ---- whole runs ---- */

static lab run_of(void)
{
    return good(with_network(
        "{type: shapes, size: [12, 20], train: 70, test: 20, validation: 16, augment: [horizontal_flip, "
        "normalize]}",
        "[{conv2d: {channels: 4, kernel: 3, padding: 1, bias: false}}, batch_norm, relu, {dropout: {p: "
        "0.2}}, "
        "global_avg_pool, {linear: {units: classes}}]",
        "batch_size: 8, epochs: 2, optimizer: {adam: {lr: 0.01}}, checkpoint_seconds: 0, log_every: 1"));
}

static void test_stopped_anywhere(void **unused)
{
    (void)unused;
    lab whole = run_of();
    assert_int_equal(whole.s->data->n_groups, 4);
    assert_int_equal(lab_train(&whole, 0, 0), CVY_OK);
    lab again = run_of();
    assert_int_equal(lab_train(&again, 0, 0), CVY_OK);
    lab_same_end(&whole, &again);
    lab_close(&again);
    for (int64_t stop = 1; stop < 2 * whole.s->steps_per_epoch + 12; stop += 4) {
        lab l = run_of();
        cvy_status status = lab_train(&l, stop, 0);
        if (status) {
            assert_int_equal(status, CVY_STOPPED);
            assert_int_equal(lab_train(&l, 0, 0), CVY_OK);
        }
        lab_same_end(&whole, &l);
        lab_close(&l);
    }
    lab_close(&whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_groups),           cmocka_unit_test(test_steps_bring_to_one_size),
        cmocka_unit_test(test_refused),          cmocka_unit_test(test_training_of_another_shape),
        cmocka_unit_test(test_statistics),       cmocka_unit_test(test_partners),
        cmocka_unit_test(test_epochs),           cmocka_unit_test(test_restart_anywhere),
        cmocka_unit_test(test_training_by_hand), cmocka_unit_test(test_updates_of_several_shapes),
        cmocka_unit_test(test_plans_make_room),  cmocka_unit_test(test_stopped_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
