/* Tests what `train:` says about updates in whole runs: accumulation, clipping, rules about single tensors, early
 * stopping, averaged weights; and that none of it is lost over a resume. */
#include "lab.h"

#include <math.h>
#include <string.h>

#include "base/parallel.h"
#include "rows.h"
#include "train/stepper.h"

static const char net_text[] =
    "seed: 5\n"
    "dataset: {type: shapes, train: 110, test: 40, size: 12, validation: 30}\n"
    "model: [{conv2d: {channels: 4, kernel: 3, name: stem}}, relu, {dropout: {p: 0.3}}, "
    "global_avg_pool, {linear: {units: classes, name: head}}]\n"
    "train: {log_every: 1, %s}\n";

static lab open_with(const char *train)
{
    char *yaml = lab_text(net_text, train);
    lab l = lab_open(yaml);
    mem_free(yaml);
    return l;
}

/* ---- accumulation ---- */

/* The weights after `epochs` epochs, for the caller to mem_free(). */
static float *trained(const char *train, int64_t *n)
{
    lab l = open_with(train);
    stepper w;
    metrics sums = {0};
    const setup *s = l.s;
    assert_int_equal(stepper_open(&w, s, &l.e), CVY_OK);
    assert_int_equal(data_prepare(s->data, &l.e), CVY_OK);
    step_at at = {0};
    step_result r = {0};
    for (; at.epoch < s->train.epochs; at.epoch++) {
        loader_start(w.loader, DATA_TRAIN, (int32_t)at.epoch, s->batch, 0);
        for (int64_t b = 0; b < s->batches_per_epoch; b++) {
            at.more = (b + 1) % s->gather != 0 && b + 1 < s->batches_per_epoch;
            assert_int_equal(stepper_step(&w, loader_next(w.loader, &l.e), &at, &sums, &r, &l.e), CVY_OK);
            at.step += !at.more;
        }
    }
    assert_int_equal(at.step, s->steps_per_epoch * s->train.epochs);
    *n = s->net->weight_floats;
    float *copy = mem_array((size_t)*n, sizeof *copy);
    memcpy(copy, w.state->weights, (size_t)*n * sizeof *copy);
    stepper_close(&w);
    lab_close(&l);
    return copy;
}

static double distance(const char *a, const char *b)
{
    int64_t n, m;
    double most = 0;
    float *p = trained(a, &n), *q = trained(b, &m);
    assert_int_equal(n, m);
    for (int64_t i = 0; i < n; i++) most = fmax(most, fabs((double)p[i] - (double)q[i]));
    mem_free(p);
    mem_free(q);
    return most;
}

/* 80 samples are 5 batches of 16: 3 and 2 of them make what 48 and 32 make, dropout's masks included. */
static void test_accumulation(void **unused)
{
    (void)unused;
    double off =
        distance("epochs: 3, batch_size: 16, accumulate: 3, optimizer: {type: sgd, lr: 0.5, momentum: 0.9}",
                 "epochs: 3, batch_size: 48, optimizer: {type: sgd, lr: 0.5, momentum: 0.9}");
    if (!(off < 1e-5)) fail_msg("accumulated and whole batches part by %g", off);
    /* More batches than there are. */
    off = distance("epochs: 2, batch_size: 32, accumulate: 100, optimizer: {type: sgd, lr: 0.5}",
                   "epochs: 2, batch_size: all, optimizer: {type: sgd, lr: 0.5}");
    if (!(off < 1e-5)) fail_msg("accumulated and whole epochs part by %g", off);
    assert_true(distance("epochs: 2, batch_size: 16, optimizer: {type: sgd, lr: 0.5}",
                         "epochs: 2, batch_size: 48, optimizer: {type: sgd, lr: 0.5}") > 1e-3);
}

/* One update per epoch by the gradient over all samples, put together from parts, is that of all of them at once; with a
 * sum for a loss too, and under the convex form of momentum. */
static void test_full_batch(void **unused)
{
    (void)unused;
    static const char *const optimizers[] = {"{sgd: {lr: 0.5}}",
                                             "{convex_momentum: {lr: 0.5, momentum: 0.6}}"};
    for (int i = 0; i < 2; i++)
        for (int part = 17; part <= 53; part += 36) { /* 17, 53: the last part is another one */
            char *parts = lab_text("epochs: 3, batch_size: all, micro_batch: %d, optimizer: %s", part,
                                   optimizers[i]),
                 *whole = lab_text("epochs: 3, batch_size: all, optimizer: %s", optimizers[i]);
            double off = distance(parts, whole);
            if (!(off < 1e-5)) fail_msg("parts of %d and the whole part by %g", part, off);
            mem_free(parts);
            mem_free(whole);
        }
    double off =
        distance("epochs: 2, batch_size: 40, micro_batch: 8, accumulate: 2, optimizer: {sgd: {lr: 0.5}}",
                 "epochs: 2, batch_size: all, optimizer: {sgd: {lr: 0.5}}");
    if (!(off < 1e-5)) fail_msg("parts of accumulated batches and the whole part by %g", off);
}

/* What a sum is cannot be told from a batch of one sample, nor from one without loss: the last part has one sample here, and a
 * hinge without margin lets many parts be without. */
static void test_sums_of_parts(void **unused)
{
    (void)unused;
    static const char *const losses[] = {"softmax_cross_entropy, reduction: sum",
                                         "multi_class_hinge, margin: 0, reduction: sum",
                                         "multi_class_hinge, margin: 0"};
    for (int k = 0; k < 3; k++)
        for (int part = 1; part <= 79; part += 39) { /* 1, 40, 79: of 80 */
            char *parts =
                     lab_text("epochs: 2, batch_size: all, micro_batch: %d, optimizer: {sgd: {lr: 1e-2}}}\n"
                              "loss: {type: %s",
                              part, losses[k]),
                 *whole = lab_text(
                     "epochs: 2, batch_size: all, optimizer: {sgd: {lr: 1e-2}}}\nloss: {type: %s", losses[k]);
            const double off = distance(parts, whole);
            if (!(off < 1e-5)) fail_msg("%s in parts of %d and whole part by %g", losses[k], part, off);
            mem_free(parts);
            mem_free(whole);
        }
}

/* The gradient itself, before any update, and that of a sum. */
static void test_full_batch_gradient(void **unused)
{
    (void)unused;
    static const char *const reductions[] = {"mean", "sum"};
    float *gradients[2][2];
    int64_t n = 0;
    for (int sum = 0; sum < 2; sum++)
        for (int whole = 0; whole < 2; whole++) {
            char *train = lab_text("batch_size: all, micro_batch: %d, optimizer: {sgd: {lr: 0}}}\n"
                                   "loss: {type: softmax_cross_entropy, reduction: %s",
                                   whole ? 80 : 17, reductions[sum]);
            lab l = open_with(train);
            mem_free(train);
            assert_int_equal(l.s->steps_per_epoch, 1);
            assert_int_equal(l.s->batches_per_epoch, whole ? 1 : 5);
            stepper w;
            metrics sums = {0};
            step_at at = {0};
            step_result r = {0};
            assert_int_equal(stepper_open(&w, l.s, &l.e), CVY_OK);
            assert_int_equal(data_prepare(l.s->data, &l.e), CVY_OK);
            loader_start(w.loader, DATA_TRAIN, 0, l.s->batch, 0);
            for (int64_t b = 0; b < l.s->batches_per_epoch; b++) {
                at.more = b + 1 < l.s->batches_per_epoch;
                assert_int_equal(stepper_step(&w, loader_next(w.loader, &l.e), &at, &sums, &r, &l.e), CVY_OK);
            }
            n = l.s->net->weight_floats;
            gradients[sum][whole] = mem_copy(w.state->gradients, (size_t)n * sizeof(float));
            stepper_close(&w);
            lab_close(&l);
        }
    double most = 0;
    for (int64_t i = 0; i < n; i++)
        if (fabs((double)gradients[0][1][i]) > most) most = fabs((double)gradients[0][1][i]);
    assert_true(most > 1e-4);
    for (int64_t i = 0; i < n; i++) {
        const double mean = (double)gradients[0][1][i];
        assert_true(fabs((double)gradients[0][0][i] - mean) < 2e-6 * most);
        assert_true(fabs((double)gradients[1][0][i] / 80 - mean) < 2e-6 * most);
        assert_true(fabs((double)gradients[1][1][i] / 80 - mean) < 2e-6 * most);
    }
    for (int i = 0; i < 4; i++) mem_free(gradients[i / 2][i % 2]);
}

static void test_micro_batches_refused(void **unused)
{
    (void)unused;
    char *yaml = lab_text(net_text, "batch_size: 32, micro_batch: 12");
    lab l = lab_try(yaml);
    assert_null(l.s);
    lab_says(&l, "train.micro_batch: batches of 32 samples do not divide into parts of 12");
    mem_free(yaml);
    lab_close(&l);
    /* Nothing is divided where the whole fits. */
    l = open_with("batch_size: 32, micro_batch: 50");
    assert_int_equal(l.s->batch, 32);
    lab_close(&l);
    l = open_with("batch_size: 32, micro_batch: 8");
    assert_int_equal(l.s->batches_per_epoch, 10);
    assert_int_equal(l.s->gather, 4);
    assert_int_equal(l.s->steps_per_epoch, 3);
    lab_close(&l);
}

/* ---- one update by hand ---- */

typedef struct hand {
    lab l;
    state *s;
    optimizer o;
} hand;

static void hand_open(hand *h, const char *train)
{
    *h = (hand){.l = open_with(train)};
    const setup *s = h->l.s;
    h->s = state_new(s->net, 1, true, &h->l.e);
    assert_non_null(h->s);
    assert_int_equal(optimizer_init(&h->o, &s->train.optimizer, h->s, &h->l.e), CVY_OK);
    optimizer_rule(&h->o, &s->rules);
    h->o.clip_value = s->train.clip_value;
    h->o.clip_norm = s->train.clip_norm;
    for (size_t i = 0; i < s->net->n_weights; i++)
        for (int64_t k = 0; k < s->net->weights[i].count; k++)
            h->s->gradients[s->net->weights[i].offset + k] = (float)((k * 7 + (int64_t)i) % 11 - 5) / 8;
}

static void hand_close(hand *h)
{
    optimizer_free(&h->o);
    state_free(h->s);
    lab_close(&h->l);
}

/* Each weight w moves to w - lr scale clamp(g) - lr decay w, with the tensor's own lr and decay. */
static void hand_expect(hand *h, double clamp, double scale, const double lr[4], const double decay[4])
{
    const net *n = h->l.s->net;
    assert_int_equal(n->n_weights, 4);
    float *was = mem_array((size_t)n->weight_floats, sizeof *was),
          *g = mem_array((size_t)n->weight_floats, sizeof *g);
    memcpy(was, h->s->weights, (size_t)n->weight_floats * sizeof *was);
    memcpy(g, h->s->gradients, (size_t)n->weight_floats * sizeof *g);
    assert_int_equal(optimizer_update(&h->o, 1, 1, &h->l.e), CVY_OK);
    for (size_t i = 0; i < 4; i++)
        for (int64_t k = n->weights[i].offset; k < n->weights[i].offset + n->weights[i].count; k++) {
            double d = fmax(fmin((double)g[k], clamp), -clamp) * scale, w = (double)was[k];
            double expected = w - lr[i] * (d + decay[i] * w);
            if (!(fabs((double)h->s->weights[k] - expected) < 1e-6))
                fail_msg("%s[%lld]: %g, expected %g", n->weights[i].name,
                         (long long)(k - n->weights[i].offset), (double)h->s->weights[k], expected);
        }
    mem_free(was);
    mem_free(g);
}

static double norm_of(const hand *h, double clamp)
{
    const net *n = h->l.s->net;
    double sum = 0;
    for (size_t i = 0; i < n->n_weights; i++)
        for (int64_t k = 0; k < n->weights[i].count; k++) {
            double g = fmax(fmin((double)h->s->gradients[n->weights[i].offset + k], clamp), -clamp);
            sum += g * g;
        }
    return sqrt(sum);
}

static const double same_lr[] = {0.5, 0.5, 0.5, 0.5}, no_decay[] = {0, 0, 0, 0};

static void test_clipping(void **unused)
{
    (void)unused;
    hand h;
    hand_open(&h, "optimizer: {type: sgd, lr: 0.5}, clip_value: 0.25");
    hand_expect(&h, 0.25, 1, same_lr, no_decay);
    hand_close(&h);
    hand_open(&h, "optimizer: {type: sgd, lr: 0.5}, clip_norm: 0.125");
    hand_expect(&h, 1e9, 0.125 / norm_of(&h, 1e9), same_lr, no_decay);
    hand_close(&h);
    hand_open(&h, "optimizer: {type: sgd, lr: 0.5}, clip_norm: 1000");
    hand_expect(&h, 1e9, 1, same_lr, no_decay);
    hand_close(&h);
    hand_open(&h, "optimizer: {type: sgd, lr: 0.5}, clip_norm: 0.125, clip_value: 0.25");
    hand_expect(&h, 0.25, 0.125 / norm_of(&h, 0.25), same_lr, no_decay);
    hand_close(&h);
    hand_open(&h, "optimizer: {type: sgd, lr: 0.5}, clip_norm: 1");
    h.s->gradients[0] = NAN;
    assert_int_equal(optimizer_update(&h.o, 7, 1, &h.l.e), CVY_ERR_RUN);
    lab_says(&h.l, "step 7: the norm of the gradient is not a number");
    hand_close(&h);
}

/* stem.weight, stem.bias, head.weight, head.bias */
static void test_rules(void **unused)
{
    (void)unused;
    hand h;
    const double decay[] = {0.1, 0, 0.1, 0}, lr[] = {0.05, 1, 0.5, 0.5};
    hand_open(&h, "optimizer: {type: sgd, lr: 0.5, weight_decay: 0.1}, no_decay: \"*.bias\"");
    hand_expect(&h, 1e9, 1, same_lr, decay);
    assert_int_equal(h.o.n_runs, 4);
    hand_close(&h);
    hand_open(&h, "optimizer: {type: sgd, lr: 0.5, weight_decay: 0.1}, no_decay: [\"*.bias\"], "
                  "lr_multipliers: {\"*\": 1, \"stem.*\": 0.1, stem.weight: 0.1, stem.bias: 2}");
    hand_expect(&h, 1e9, 1, lr, decay);
    hand_close(&h);
    hand_open(&h, "optimizer: {type: sgd, lr: 0.5}, lr_multipliers: {\"*.bias\": 0.1, \"head.*\": 3}");
    const double first[] = {0.5, 0.05, 1.5, 0.05};
    hand_expect(&h, 1e9, 1, first, no_decay);
    hand_close(&h);
    hand_open(&h, "optimizer: {type: sgd, lr: 0.5}"); /* all at once */
    assert_int_equal(h.o.n_runs, 1);
    hand_expect(&h, 1e9, 1, same_lr, no_decay);
    hand_close(&h);
}

static void test_decay_of_nothing(void **unused)
{
    (void)unused;
    lab l = open_with("optimizer: {type: sgd, lr: 0.5}, no_decay: [\"*.bias\"]");
    lab_says(&l, "no_decay: the optimizer decays no weight");
    lab_close(&l);
}

/* Bits that depend neither on threads nor on chance. */
static void test_norm_and_threads(void **unused)
{
    (void)unused;
    float *kept = NULL;
    size_t bytes = 0;
    for (int threads = 1; threads <= 3; threads++) {
        parallel_set_threads(threads);
        hand h;
        hand_open(&h, "optimizer: {type: sgd, lr: 0.5}, clip_norm: 0.3");
        const net *n = h.l.s->net;
        for (int64_t i = 0; i < n->weights[0].count; i++) h.s->gradients[i] = sinf((float)i) * 1e-3f;
        assert_int_equal(optimizer_update(&h.o, 1, 1, &h.l.e), CVY_OK);
        bytes = (size_t)n->weight_floats * sizeof(float);
        if (!kept) kept = memcpy(mem_array(bytes, 1), h.s->weights, bytes);
        assert_memory_equal(kept, h.s->weights, bytes);
        hand_close(&h);
    }
    mem_free(kept);
    parallel_set_threads(0);
}

/* ---- whole runs ---- */

static double last_of(const lab *l, const char *scope, const char *name)
{
    rows r = rows_read(l->dir);
    double v = (double)NAN;
    for (size_t i = 0; i < r.n; i++)
        if (strcmp(r.items[i].scope, scope) == 0 && strcmp(r.items[i].name, name) == 0) v = r.items[i].value;
    rows_free(&r);
    return v;
}

/* Wants an improvement that there cannot be: the first epoch is the best, and two are waited for. */
static void test_early_stopping(void **unused)
{
    (void)unused;
    lab l = open_with("epochs: 9, batch_size: 16, early_stopping: {patience: 2, min_delta: 1000}");
    assert_int_equal(lab_train(&l, 0, 0), CVY_OK);
    assert_true(last_of(&l, "run", "stopped_epoch") == 3);
    size_t n;
    char *text_of = lab_file(&l, "journal.1", &n);
    assert_non_null(memmem(text_of, n, "after epoch 3 of 9: val_loss was not better than", 48));
    mem_free(text_of);
    assert_int_equal(lab_train(&l, 0, 0), CVY_OK); /* finished it stays */
    lab_close(&l);
    l = open_with("epochs: 4, batch_size: 16, optimizer: {type: adam, lr: 0.01}, "
                  "early_stopping: {patience: 4, metric: train_loss}");
    assert_int_equal(lab_train(&l, 0, 0), CVY_OK);
    assert_true(isnan(last_of(&l, "run", "stopped_epoch")));
    lab_close(&l);
}

/* With decay 0 the average is the raw weights themselves; else it is not. */
static void test_average(void **unused)
{
    (void)unused;
    lab l = open_with(
        "epochs: 3, batch_size: 16, select: last, optimizer: {type: ema, decay: 0, optimizer: {type: adam, "
        "lr: 0.01}}");
    assert_int_equal(lab_train(&l, 0, 0), CVY_OK);
    assert_true(last_of(&l, "epoch", "val_average_loss") == last_of(&l, "epoch", "val_loss"));
    assert_true(last_of(&l, "run", "test_average_loss") == last_of(&l, "run", "test_loss"));
    lab_close(&l);
    l = open_with(
        "epochs: 3, batch_size: 16, optimizer: {type: ema, decay: 0.9, optimizer: {type: adam, lr: 0.01}}");
    assert_int_equal(lab_train(&l, 0, 0), CVY_OK);
    double average = last_of(&l, "epoch", "val_average_loss");
    assert_true(isfinite(average) && average != last_of(&l, "epoch", "val_loss"));
    lab_close(&l);
}

/* Asked to stop again and again, a run comes to the end of one that was left alone. */
/* The run is one that stops early; `reduced`: whether its learning rate of 0.02 has fallen by then. */
static void check_resume(const char *train, bool reduced)
{
    lab whole = open_with(train), parts = open_with(train);
    assert_int_equal(lab_train(&whole, 0, 0), CVY_OK);
    cvy_status status = CVY_STOPPED;
    for (int64_t i = 0; status == CVY_STOPPED && i < 200; i++) status = lab_train(&parts, 1 + i % 4, 0);
    assert_int_equal(status, CVY_OK);
    lab_same_end(&whole, &parts);
    assert_true(last_of(&whole, "run", "stopped_epoch") > 1);
    if (reduced) assert_true(last_of(&whole, "epoch", "lr") < 0.02);
    lab_close(&whole);
    lab_close(&parts);
}

static void test_resume(void **unused)
{
    (void)unused;
    check_resume("epochs: 12, batch_size: 8, accumulate: 3, clip_norm: 0.5, "
                 "optimizer: {type: lookahead, k: 4, optimizer: {type: adam, lr: 0.02, amsgrad: true}}, "
                 "lr_schedule: {type: reduce_on_plateau, patience: 1, factor: 0.5, warmup_epochs: 0.7, "
                 "threshold: 0.01, threshold_mode: absolute}, "
                 "early_stopping: {patience: 5, min_delta: 0.015}, no_decay: [\"*.bias\"], lr_multipliers: "
                 "{\"stem.*\": 0.5}",
                 true);
    check_resume(
        "epochs: 6, batch_size: 16, optimizer: {type: ema, decay: 0.9, optimizer: {type: lamb, lr: 0.02}}, "
        "lr_schedule: one_cycle, early_stopping: {patience: 1, min_delta: 0.2}",
        false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accumulation),
        cmocka_unit_test(test_full_batch),
        cmocka_unit_test(test_full_batch_gradient),
        cmocka_unit_test(test_sums_of_parts),
        cmocka_unit_test(test_micro_batches_refused),
        cmocka_unit_test(test_clipping),
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_decay_of_nothing),
        cmocka_unit_test(test_norm_and_threads),
        cmocka_unit_test(test_early_stopping),
        cmocka_unit_test(test_average),
        cmocka_unit_test(test_resume),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
