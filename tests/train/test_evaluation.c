/* Tests core/train/evaluation, ensemble, scores and checkpoint_weights: that a checkpoint gives the figures that the run
 * logged, to the last bit; what is counted; that several networks are averaged; and what is refused. */
#include "lab.h"

#include <math.h>
#include <string.h>

#include "journal/record.h"
#include "rows.h"
#include "train/ensemble.h"
#include "train/evaluation.h"
#include "train/stepper.h"

/* Random augmentation, batch-norm buffers and dropout: all of what evaluation must do otherwise than training. The best
 * epoch is not the last one for some seed. */
#define NETWORK                                                      \
    "model:\n"                                                       \
    "  - conv2d: {channels: 6, kernel: 3, padding: 1, name: stem}\n" \
    "  - batch_norm\n"                                               \
    "  - relu\n"                                                     \
    "  - dropout: {p: 0.2}\n"                                        \
    "  - global_avg_pool\n"                                          \
    "  - linear: {units: classes, name: head}\n"                     \
    "train: {epochs: 4, batch_size: 32, optimizer: {type: sgd, lr: 0.2}}\n"
#define DATASET                                                                                    \
    "dataset: {type: shapes, train: 130, test: 70, size: 12, validation: 30, seed: 3, target: %s," \
    " augment: [{random_crop: {padding: 2}}, horizontal_flip, normalize]}\n"

static void expect(lab *l, cvy_status got, cvy_status expected)
{
    if (got == expected) return;
    text t = {0};
    errors_text(&l->e, false, &t);
    fail_msg("status %d, expected %d:\n%s", (int)got, (int)expected, text_str(&t));
}

static lab labelled(int seed)
{
    char *yaml = lab_text("seed: %d\n" DATASET NETWORK, seed, "label");
    lab l = lab_open(yaml);
    mem_free(yaml);
    return l;
}

static lab trained(int seed)
{
    lab l = labelled(seed);
    expect(&l, lab_train(&l, 0, 0), CVY_OK);
    return l;
}

static double logged(const lab *l, const char *scope, const char *name, int64_t step)
{
    rows r = rows_read(l->dir);
    double v = rows_value(&r, scope, name, step);
    rows_free(&r);
    assert_true(v == v);
    return v;
}

static cvy_status evaluate(lab *l, data_part part, bool best, int64_t batch_samples, ensemble *g,
                           evaluation *v)
{
    checkpoint_weights w;
    evaluation_options o = {.part = part, .batch = batch_samples, .ensemble = g};
    *v = (evaluation){0};
    cvy_status status = checkpoint_weights_read(&w, l->dir, best ? WEIGHTS_BEST : WEIGHTS_LAST, &l->e)
                            ? evaluation_run(l->s, &w, &o, v, &l->e)
                            : errors_status(&l->e);
    checkpoint_weights_free(&w);
    return status;
}

/* ---- scores ---- */

static void near(double found, double expected)
{
    if (!(fabs(found - expected) <= 1e-12)) fail_msg("%.17g, expected %.17g", found, expected);
}

static void test_counts(void **unused)
{
    (void)unused;
    errors e = {0};
    scores s;
    assert_int_equal(scores_init(&s, 3, &e), CVY_OK);
    assert_true(isnan(scores_calibration_error(&s)));
    scores_add(&s, 0, 0.9, 0);
    scores_add(&s, 0, 0.9, 0);
    scores_add(&s, 1, 0.5, 0);
    scores_add(&s, 1, 0.9, 1);
    scores_add(&s, 0, 0.5, 1);
    scores_add(&s, -1, (double)NAN, 1);
    const int64_t expected[9] = {2, 1, 0, 1, 1, 0, 0, 0, 0};
    assert_memory_equal(s.confusion, expected, sizeof expected);
    scores_class c = scores_of(&s, 0);
    assert_int_equal(c.support, 3);
    near(c.precision, 2.0 / 3);
    near(c.recall, 2.0 / 3);
    near(c.f1, 2.0 / 3);
    c = scores_of(&s, 1);
    assert_int_equal(c.support, 3);
    near(c.precision, 0.5);
    near(c.recall, 1.0 / 3);
    near(c.f1, 0.4);
    c = scores_of(&s, 2); /* nobody was of it, and nobody was taken for it */
    assert_int_equal(c.support, 0);
    assert_true(isnan(c.precision) && isnan(c.recall) && isnan(c.f1));
    /* Three of 0.9, all right, and two of 0.5, both wrong, in their bins; six samples. */
    near(scores_calibration_error(&s), (fabs(3 - 2.7) + fabs(0 - 1.0)) / 6);
    scores_free(&s);
}

static void test_bins(void **unused)
{
    (void)unused;
    errors e = {0};
    scores s;
    assert_int_equal(scores_init(&s, 2, &e), CVY_OK);
    scores_add(&s, 0, 0, 0);
    scores_add(&s, 0, 1.0, 0);
    scores_add(&s, 0, 0.2, 0); /* three fifteenths: a border belongs below */
    scores_add(&s, 0, 0.2000001, 0);
    scores_add(&s, 0, (double)NAN, 0); /* of infinite scores */
    assert_int_equal(s.bins[0].n, 1);
    assert_int_equal(s.bins[2].n + s.bins[3].n, 2);
    assert_int_equal(s.bins[3].n, 1);
    assert_int_equal(s.bins[SCORES_BINS - 1].n, 1);
    assert_int_equal(s.samples, 5);
    scores_free(&s);
}

static void test_answers(void **unused)
{
    (void)unused;
    const float y[4] = {1, 3, 3, 2}, nan[4] = {1, NAN, 3, 2}, high[3] = {1000, 1000, -1000};
    const float p[4] = {0.25f, 0.75f, 1, 0}, no[4] = {0.25f, 0.75f, 1.5f, -0.5f};
    double soft[3];
    assert_int_equal(scores_taken(y, 4), 1);
    assert_int_equal(scores_taken(nan, 4), -1);
    scores_softmax(high, 3, soft);
    near(soft[0], 0.5);
    near(soft[1], 0.5);
    near(soft[2], 0);
    assert_true(scores_are_probabilities(p, 2, 2));
    assert_false(scores_are_probabilities(no, 2, 2));
    assert_false(scores_are_probabilities(y, 1, 4));
}

/* ---- the run's own figures ---- */

static void test_equals_the_log(void **unused)
{
    (void)unused;
    bool apart = false;
    for (int seed = 1; seed <= 3; seed++) {
        lab l = trained(seed);
        evaluation v;
        int64_t steps = 4 * l.s->steps_per_epoch, best = (int64_t)logged(&l, "run", "best_epoch", steps);
        apart = apart || best != 4;
        expect(&l, evaluate(&l, DATA_TEST, true, 0, NULL, &v), CVY_OK);
        assert_true(v.loss == logged(&l, "run", "test_loss", steps));
        assert_true(v.accuracy == logged(&l, "run", "test_accuracy", steps));
        assert_true(v.top5 == logged(&l, "run", "test_top5_accuracy", steps));
        assert_int_equal(v.samples, 70);
        int64_t right = 0, all = 0;
        for (int64_t i = 0; i < 100; i++) {
            all += v.scores.confusion[i];
            if (i % 11 == 0) right += v.scores.confusion[i];
        }
        assert_int_equal(all, 70);
        assert_true(v.accuracy == record_round((double)right / 70));
        evaluation_free(&v);
        expect(&l, evaluate(&l, DATA_VALIDATION, false, 0, NULL, &v), CVY_OK);
        assert_true(v.loss == logged(&l, "epoch", "val_loss", steps));
        assert_true(v.accuracy == logged(&l, "epoch", "val_accuracy", steps));
        evaluation_free(&v);
        expect(&l, evaluate(&l, DATA_VALIDATION, true, 0, NULL, &v), CVY_OK);
        assert_true(v.loss == logged(&l, "epoch", "val_loss", best * l.s->steps_per_epoch));
        evaluation_free(&v);
        expect(&l, evaluate(&l, DATA_TEST, true, 7, NULL, &v), CVY_OK); /* whatever the batch */
        assert_true(fabs(v.loss - logged(&l, "run", "test_loss", steps)) < 1e-5);
        evaluation_free(&v);
        lab_close(&l);
    }
    assert_true(apart);
}

static void test_training_samples(void **unused)
{
    (void)unused;
    lab l = trained(1);
    evaluation v;
    /* As evaluation reads them: in order, and without the random steps. */
    float x[2][3 * 12 * 12], *scratch = mem_array((size_t)data_scratch(l.s->data), sizeof *scratch);
    int32_t label;
    const int64_t n = l.s->data->n[DATA_TRAIN], first = l.s->data->index[DATA_TRAIN][0];
    expect(&l, data_prepare(l.s->data, &l.e), CVY_OK);
    expect(&l, data_read(l.s->data, DATA_TRAIN, 0, 0, x[0], &label, NULL, scratch, &l.e), CVY_OK);
    expect(&l, evaluate(&l, DATA_TRAIN, true, 0, NULL, &v), CVY_OK);
    assert_int_equal(v.samples, n);
    assert_int_equal(l.s->data->index[DATA_VALIDATION][0], first);
    expect(&l, data_read(l.s->data, DATA_VALIDATION, 0, 0, x[1], &label, NULL, scratch, &l.e), CVY_OK);
    assert_memory_not_equal(x[0], x[1], sizeof x[0]);
    double loss = v.loss;
    evaluation_free(&v);
    expect(&l, evaluate(&l, DATA_TRAIN, true, 0, NULL, &v), CVY_OK);
    assert_true(v.loss == loss);
    evaluation_free(&v);
    mem_free(scratch);
    lab_close(&l);
}

static void test_other_targets(void **unused)
{
    (void)unused;
    char *yaml = lab_text(DATASET "model: [{conv2d: {channels: 3, kernel: 3, padding: 1}}]\n"
                                  "loss: mean_squared_error\ntrain: {epochs: 1}\n",
                          "input");
    lab l = lab_open(yaml);
    mem_free(yaml);
    expect(&l, lab_train(&l, 0, 0), CVY_OK);
    evaluation v;
    expect(&l, evaluate(&l, DATA_TEST, true, 0, NULL, &v), CVY_OK);
    assert_int_equal(v.classes, 0);
    assert_true(v.loss == logged(&l, "run", "test_loss", l.s->steps_per_epoch));
    assert_true(isnan(v.accuracy) && isnan(v.top5) && isnan(v.calibration_error));
    evaluation_free(&v);
    ensemble g = {0};
    expect(&l, evaluate(&l, DATA_TEST, true, 0, &g, &v), CVY_ERR_CONFIG);
    lab_says(&l, "no scores of classes");
    evaluation_free(&v);
    ensemble_free(&g);
    lab_close(&l);
}

/* ---- weights ---- */

static void test_while_training(void **unused)
{
    (void)unused;
    lab l = labelled(1);
    checkpoint_weights w;
    for (int best = 0; best < 2; best++) {
        assert_false(checkpoint_weights_read(&w, l.dir, best ? WEIGHTS_BEST : WEIGHTS_LAST, &l.e));
        lab_says(&l, "the run has no checkpoint yet");
        checkpoint_weights_free(&w);
    }
    expect(&l, lab_train(&l, 2, 0), CVY_STOPPED); /* within the first epoch */
    assert_false(checkpoint_weights_read(&w, l.dir, WEIGHTS_BEST, &l.e));
    lab_says(&l, "the run has no best epoch yet");
    checkpoint_weights_free(&w);
    assert_true(checkpoint_weights_read(&w, l.dir, WEIGHTS_LAST, &l.e));
    const size_t n = l.s->net->n_weights + l.s->net->n_buffers;
    assert_int_equal(w.n, n);
    assert_int_equal(w.epoch, 0);
    checkpoint_weights_free(&w);
    /* Within the second: the best epoch, which is the first, lies beside the present weights. */
    expect(&l, lab_train(&l, 0, 1), CVY_STOPPED);
    expect(&l, lab_train(&l, 2, 0), CVY_STOPPED);
    evaluation v;
    assert_true(checkpoint_weights_read(&w, l.dir, WEIGHTS_BEST, &l.e));
    assert_int_equal(w.epoch, 1);
    assert_int_equal(w.n, n);
    checkpoint_weights_free(&w);
    expect(&l, evaluate(&l, DATA_VALIDATION, true, 0, NULL, &v), CVY_OK);
    assert_true(v.loss == logged(&l, "epoch", "val_loss", l.s->steps_per_epoch));
    evaluation_free(&v);
    lab_close(&l);
}

static void test_what_does_not_fit(void **unused)
{
    (void)unused;
    lab l = trained(1);
    char *yaml = lab_text(DATASET "model:\n"
                                  "  - conv2d: {channels: 6, kernel: 3, padding: 1, name: stem}\n"
                                  "  - batch_norm\n  - relu\n  - dropout\n  - flatten\n"
                                  "  - linear: {units: classes, name: head}\n",
                          "label");
    lab other = lab_open(yaml);
    mem_free(yaml);
    checkpoint_weights w;
    assert_true(checkpoint_weights_read(&w, l.dir, WEIGHTS_BEST, &l.e));
    state *s = state_new(other.s->net, 1, false, &l.e);
    expect(&l, evaluation_load(s, &w, "a hint", &l.e), CVY_ERR_CONFIG);
    lab_says(
        &l,
        "layer \"head\" (linear): \"head.weight\" has shape [10, 6] in the checkpoint, and the network for "
        "input (N, 3, 12, 12) wants [10, 864]");
    state_free(s);
    s = state_new(l.s->net, 1, false, &l.e);
    w.n--;
    expect(&l, evaluation_load(s, &w, NULL, &l.e), CVY_ERR_CONFIG);
    lab_says(&l, "has no tensor");
    w.n++;
    expect(&l, evaluation_load(s, &w, NULL, &l.e), CVY_OK);
    w.items[0].name = "another";
    expect(&l, evaluation_load(s, &w, NULL, &l.e), CVY_ERR_CONFIG);
    state_free(s);
    checkpoint_weights_free(&w);
    errors_free(&l.e);
    lab_close(&l);
    lab_close(&other);
}

static void test_no_part(void **unused)
{
    (void)unused;
    char *yaml = lab_text("dataset: {type: brittle, classes: 4, test: 0, validation: 0}\n" NETWORK);
    lab l = lab_open(yaml);
    mem_free(yaml);
    expect(&l, lab_train(&l, 0, 1), CVY_STOPPED);
    evaluation v;
    expect(&l, evaluate(&l, DATA_TEST, true, 0, NULL, &v), CVY_ERR_CONFIG);
    lab_says(&l, "the dataset has no test samples");
    expect(&l, evaluate(&l, DATA_VALIDATION, true, 0, NULL, &v), CVY_ERR_CONFIG);
    lab_says(&l, "no samples were held out for validation: dataset.validation is 0");
    expect(&l, evaluate(&l, DATA_TRAIN, true, 0, NULL, &v), CVY_OK);
    assert_int_equal(v.samples, 100);
    evaluation_free(&v);
    lab_close(&l);
}

/* ---- ensembles ---- */

/* The mean by hand: of three networks' outputs, gathered without any of the code that is tested. */
typedef struct outputs {
    float y[70][10];
    int32_t label[70];
} outputs;

static cvy_status gather(void *ctx, const float *y, const cvy_shape *shape, const batch *b, errors *e)
{
    (void)e;
    outputs *o = ctx;
    assert_int_equal(shape->dim[0], b->n);
    assert_int_equal(shape->dim[1], 10);
    memcpy(o->y[b->first], y, (size_t)b->n * sizeof o->y[0]);
    memcpy(o->label + b->first, b->labels, (size_t)b->n * sizeof *o->label);
    return CVY_OK;
}

static void outputs_of(lab *l, outputs *o)
{
    stepper w;
    metrics m;
    const step_at at = {0};
    checkpoint_weights from;
    assert_true(checkpoint_weights_read(&from, l->dir, WEIGHTS_BEST, &l->e));
    expect(l, stepper_open_evaluation(&w, l->s, 0, &l->e), CVY_OK);
    expect(l, evaluation_load(w.state, &from, NULL, &l->e), CVY_OK);
    w.see = gather;
    w.see_ctx = o;
    expect(l, stepper_evaluate(&w, DATA_TEST, &at, NULL, NULL, &m, &l->e), CVY_OK);
    stepper_close(&w);
    checkpoint_weights_free(&from);
}

static void test_ensemble(void **unused)
{
    (void)unused;
    enum { MEMBERS = 3 };
    static double mean[70][10];
    outputs *o = mem_alloc(sizeof *o);
    ensemble g = {0};
    lab l[MEMBERS];
    evaluation v;
    memset(mean, 0, sizeof mean);
    for (int i = 0; i < MEMBERS; i++) {
        l[i] = trained(i + 1);
        expect(&l[i], evaluate(&l[i], DATA_TEST, true, 0, &g, &v), CVY_OK);
        evaluation_free(&v);
        outputs_of(&l[i], o);
        for (int n = 0; n < 70; n++) {
            double sum = 0;
            for (int k = 0; k < 10; k++) sum += exp((double)o->y[n][k]);
            for (int k = 0; k < 10; k++) mean[n][k] += exp((double)o->y[n][k]) / sum / MEMBERS;
        }
    }
    double loss = 0;
    int64_t right = 0;
    for (int n = 0; n < 70; n++) {
        int best = 0;
        for (int k = 1; k < 10; k++) best = mean[n][k] > mean[n][best] ? k : best;
        right += best == o->label[n];
        loss -= log(mean[n][o->label[n]]) / 70;
    }
    expect(&l[0], ensemble_evaluate(&g, l[2].s, &v, &l[0].e), CVY_OK);
    assert_true(v.accuracy == record_round((double)right / 70));
    assert_true(fabs(v.loss - loss) < 1e-5);
    assert_int_equal(v.samples, 70);
    assert_true(v.calibration_error >= 0 && v.calibration_error <= 1);
    evaluation_free(&v);
    ensemble_free(&g);

    /* The same network twice answers as it does once. */
    evaluation once;
    for (int i = 0; i < 2; i++) {
        expect(&l[0], evaluate(&l[0], DATA_TEST, true, 0, &g, &once), CVY_OK);
        if (i == 0) evaluation_free(&once);
    }
    expect(&l[0], ensemble_evaluate(&g, l[0].s, &v, &l[0].e), CVY_OK);
    assert_true(v.accuracy == once.accuracy && v.top5 == once.top5);
    assert_memory_equal(v.scores.confusion, once.scores.confusion, 100 * sizeof(int64_t));
    assert_true(fabs(v.loss - once.loss) < 1e-6);
    evaluation_free(&v);
    evaluation_free(&once);

    /* Other samples, and another part. */
    char *yaml = lab_text("dataset: {type: shapes, train: 130, test: 70, size: 12, seed: 4}\n" NETWORK);
    lab other = lab_open(yaml);
    mem_free(yaml);
    expect(&other, lab_train(&other, 0, 0), CVY_OK);
    expect(&other, evaluate(&other, DATA_TEST, true, 0, &g, &v), CVY_ERR_CONFIG);
    evaluation_free(&v);
    lab_says(&other, "its samples are others than those of the runs before it");
    expect(&l[1], evaluate(&l[1], DATA_VALIDATION, true, 0, &g, &v), CVY_ERR_CONFIG);
    evaluation_free(&v);
    lab_says(&l[1], "its samples are others");
    lab_close(&other);
    for (int i = 0; i < MEMBERS; i++) lab_close(&l[i]);
    ensemble_free(&g);
    mem_free(o);
}

/* A loss of each score apart is not to be had of probabilities; one that wants probabilities is. */
static void test_losses(void **unused)
{
    (void)unused;
    static const struct {
        const char *end, *loss;
        bool there;
    } cases[] = {{"", "mean_squared_error", false},
                 {"", "binary_cross_entropy_with_logits", false},
                 {"", "multi_class_hinge", true},
                 {"", "{softmax_cross_entropy: {label_smoothing: 0.1}}", true},
                 {"  - softmax\n", "mean_squared_error", true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *yaml = lab_text("dataset: {type: shapes, train: 100, test: 40, size: 12, seed: 3}\n"
                              "model:\n  - conv2d: {channels: 4, kernel: 3}\n  - relu\n  - global_avg_pool\n"
                              "  - linear: {units: classes}\n%s"
                              "loss: %s\ntrain: {epochs: 1}\n",
                              cases[i].end, cases[i].loss);
        lab l = lab_open(yaml);
        mem_free(yaml);
        expect(&l, lab_train(&l, 0, 0), CVY_OK);
        ensemble g = {0};
        evaluation v, all;
        for (int k = 0; k < 2; k++) {
            expect(&l, evaluate(&l, DATA_TEST, true, 0, &g, &v), CVY_OK);
            if (k == 0) evaluation_free(&v);
        }
        expect(&l, ensemble_evaluate(&g, l.s, &all, &l.e), CVY_OK);
        if (isnan(all.loss) == cases[i].there) fail_msg("%s: %g", cases[i].loss, all.loss);
        if (cases[i].there) assert_true(fabs(all.loss - v.loss) < 1e-3);
        assert_true(all.accuracy == v.accuracy);
        evaluation_free(&v);
        evaluation_free(&all);
        ensemble_free(&g);
        lab_close(&l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),           cmocka_unit_test(test_bins),
        cmocka_unit_test(test_answers),          cmocka_unit_test(test_equals_the_log),
        cmocka_unit_test(test_training_samples), cmocka_unit_test(test_other_targets),
        cmocka_unit_test(test_while_training),   cmocka_unit_test(test_what_does_not_fit),
        cmocka_unit_test(test_no_part),          cmocka_unit_test(test_ensemble),
        cmocka_unit_test(test_losses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
