/* Tests what joins samples: mixing in training, the mean over augmented copies at test time, whitening; and a regression whose
 * numbers are mixed. */
#include "lab.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "rows.h"
#include "train/stepper.h"
#include "train/steps.h"

#define SHAPES "dataset: {type: shapes, train: 60, test: 30, size: 12, validation: 10, seed: 3, "
#define SMALL \
    "model: [{conv2d: {channels: 4, kernel: 3, name: stem}}, relu, flatten, {linear: {units: classes}}]\n"

static lab with(const char *augment, const char *more)
{
    char *yaml = lab_text("seed: 5\n" SHAPES "augment: [%s]}\n" SMALL "%s", augment, more);
    lab l = lab_try(yaml);
    mem_free(yaml);
    return l;
}

static lab good(const char *augment, const char *more)
{
    lab l = with(augment, more);
    if (!l.s) lab_says(&l, "\nthe test needs this experiment accepted");
    return l;
}

static void refused(const char *augment, const char *more, const char *why)
{
    lab l = with(augment, more);
    assert_null(l.s);
    lab_says(&l, why);
    lab_close(&l);
}

/* ---- a sample ---- */

enum { PIXELS = 3 * 12 * 12, CLASSES = 10 };

typedef struct sample {
    float x[PIXELS], target[CLASSES];
    int32_t label;
} sample;

static sample read_sample(lab *l, data_part part, int64_t i, int32_t epoch)
{
    sample s = {.label = -1};
    const data *d = l->s->data;
    float *scratch = mem_array((size_t)data_scratch(d), sizeof *scratch);
    assert_int_equal(cvy_count(&d->sample), PIXELS);
    cvy_status status =
        data_read(d, part, i, epoch, s.x, &s.label, data_target_floats(d) ? s.target : NULL, scratch, &l->e);
    assert_int_equal(status, CVY_OK);
    mem_free(scratch);
    return s;
}

/* What mixup gives is the sum of what the steps before give for the sample and for its partner, and the target says in which
 * shares. */
static void test_mixed_sample(void **unused)
{
    (void)unused;
    lab plain = good("horizontal_flip, {random_crop: {padding: 2}}", ""),
        mixed = good("horizontal_flip, {random_crop: {padding: 2}}, {mixup: {alpha: 1}}", "");
    const data *d = mixed.s->data;
    assert_int_equal(data_target_floats(plain.s->data), 0);
    assert_int_equal(data_target_floats(d), CLASSES);
    int others = 0;
    for (int64_t i = 0; i < 50; i++) {
        const int32_t epoch = (int32_t)(i % 3);
        const int64_t j = steps_partner(d, 2, epoch, i);
        assert_in_range(j, 0, 49);
        assert_int_not_equal(j, i);
        const sample a = read_sample(&plain, DATA_TRAIN, i, epoch),
                     b = read_sample(&plain, DATA_TRAIN, j, epoch),
                     m = read_sample(&mixed, DATA_TRAIN, i, epoch),
                     again = read_sample(&mixed, DATA_TRAIN, i, epoch);
        assert_memory_equal(&m, &again, sizeof m);
        others += a.label != b.label;
        float sum = 0;
        for (int k = 0; k < CLASSES; k++) sum += m.target[k];
        assert_true(fabsf(sum - 1) < 1e-6f);
        assert_true(m.target[m.label] >= 0.5f - 1e-6f);
        if (a.label == b.label) continue;
        const float share = m.target[a.label];
        assert_true(fabsf(m.target[b.label] - (1 - share)) < 1e-6f);
        assert_int_equal(m.label, share >= 0.5f ? a.label : b.label);
        for (int k = 0; k < PIXELS; k++) assert_true(m.x[k] == share * a.x[k] + (1 - share) * b.x[k]);
    }
    assert_true(others > 30);
    /* Epochs draw other partners; evaluation none. */
    assert_int_not_equal(steps_partner(d, 2, 0, 7), steps_partner(d, 2, 1, 7));
    for (int64_t i = 0; i < 10; i++) {
        const sample a = read_sample(&plain, DATA_VALIDATION, i, 0),
                     b = read_sample(&mixed, DATA_VALIDATION, i, 0);
        assert_memory_equal(a.x, b.x, sizeof a.x);
        assert_int_equal(a.label, b.label);
    }
    lab_close(&plain), lab_close(&mixed);
}

/* Two mixtures one after the other: the partner of the second is mixed by the first itself. */
static void test_two_mixtures(void **unused)
{
    (void)unused;
    lab one = good("{mixup: {alpha: 1}}", ""), two = good("{mixup: {alpha: 1}}, {cutmix: {p: 1}}", "");
    int classes = 0;
    for (int64_t i = 0; i < 50; i++) {
        const int64_t j = steps_partner(two.s->data, 1, 4, i);
        const sample a = read_sample(&one, DATA_TRAIN, i, 4), b = read_sample(&one, DATA_TRAIN, j, 4),
                     m = read_sample(&two, DATA_TRAIN, i, 4);
        int cut = 0, present = 0;
        for (int k = 0; k < PIXELS; k++) {
            assert_true(m.x[k] == a.x[k] || m.x[k] == b.x[k]);
            cut += m.x[k] != a.x[k];
        }
        /* share a + (1 - share) b, the share being one of 144 areas; pixels that are alike hide how many were cut */
        bool found = false;
        for (int area = cut / 3; area <= 144 && !found; area++) {
            const float share = 1 - (float)area / 144;
            found = true;
            for (int c = 0; c < CLASSES; c++)
                found =
                    found && fabsf(m.target[c] - (share * a.target[c] + (1 - share) * b.target[c])) < 1e-6f;
        }
        assert_true(found);
        for (int c = 0; c < CLASSES; c++) present += m.target[c] > 0;
        classes = present > classes ? present : classes;
    }
    assert_true(classes >= 3);
    lab_close(&one), lab_close(&two);
}

/* No batch and no thread shows in a sample. */
static void test_batches_do_not_matter(void **unused)
{
    (void)unused;
    lab l = good("horizontal_flip, {one_of: {choices: [mixup, cutmix]}}, normalize", "");
    const int64_t sizes[] = {50, 7, 16};
    float *seen[3];
    assert_int_equal(data_prepare(l.s->data, &l.e), CVY_OK);
    for (int s = 0; s < 3; s++) {
        loader *r = loader_new(l.s->data, 50, &l.e);
        const batch *b;
        seen[s] = mem_array(50 * (PIXELS + CLASSES + 1), sizeof(float));
        loader_start(r, DATA_TRAIN, 2, sizes[s], 0);
        while ((b = loader_next(r, &l.e)))
            for (int64_t i = 0; i < b->n; i++) {
                float *to = seen[s] + (b->first + i) * (PIXELS + CLASSES + 1);
                memcpy(to, b->x + i * PIXELS, PIXELS * sizeof *to);
                memcpy(to + PIXELS, b->target + i * CLASSES, CLASSES * sizeof *to);
                to[PIXELS + CLASSES] = (float)b->labels[i];
            }
        loader_free(r);
    }
    for (int s = 1; s < 3; s++)
        assert_memory_equal(seen[0], seen[s], 50 * (PIXELS + CLASSES + 1) * sizeof(float));
    for (int s = 0; s < 3; s++) mem_free(seen[s]);
    lab_close(&l);
}

static void test_refused(void **unused)
{
    (void)unused;
    refused("mixup", "loss: multi_class_hinge\n",
            "loss (multi_class_hinge): does not take shares of several classes, and dataset.augment.0 "
            "(mixup) mixes "
            "them");
    refused("mixup, mixup, mixup, cutmix, cutmix", "", "5 steps mix samples, and 4 is the most");
    refused("random_order: {steps: [mixup, horizontal_flip]}", "", "`mixup` mixes two samples");
    refused("horizontal_flip", "eval: {augment: [mixup]}\n", "eval.augment.0 (mixup)");
    refused("horizontal_flip", "eval: {augment: [zca_whitening]}\n", "learns from the training samples");
    refused("horizontal_flip", "eval: {augment: [{random_crop: {size: 5}}]}\n",
            "gives images of another size");
    refused("horizontal_flip", "eval: {copies: 4}\n", "there is no augment, and all 4 copies would be alike");
    refused("horizontal_flip", "eval: {augment: [horizontal_flip], copies: 0}\n", "copies: 0 is below 1");
    refused("horizontal_flip", "eval: {augmnt: [horizontal_flip]}\n", "augment");
    refused("horizontal_flip", "eval: [horizontal_flip]\n", "expected a map of keys");
    /* Losses that compare number by number take shares as they are. */
    lab l = good("mixup", "loss: mean_squared_error\n");
    lab_close(&l);
    /* One sample has nobody to be mixed with but itself. */
    char *yaml = lab_text(
        "dataset: {type: shapes, train: 1, test: 1, validation: 0, size: 12, augment: [mixup]}\n" SMALL);
    l = lab_open(yaml);
    mem_free(yaml);
    assert_int_equal(steps_partner(l.s->data, 0, 0, 0), 0);
    lab_close(&l);
}

/* ---- runs ---- */

static void expect(lab *l, cvy_status got, cvy_status expected)
{
    if (got == expected) return;
    text t = {0};
    errors_text(&l->e, false, &t);
    fail_msg("status %d, expected %d:\n%s", (int)got, (int)expected, text_str(&t));
}

/* A run that is stopped and goes on ends where one ends that was not, with all that was learned from the data learned
 * again. */
static void test_resume(void **unused)
{
    (void)unused;
    static const char augment[] = "zca_whitening, horizontal_flip, {mixup: {alpha: 0.4}}, {cutmix: {p: 0.5}}",
                      more[] = "eval: {augment: [horizontal_flip, {random_crop: {padding: 1}}], copies: 3}\n"
                               "train: {epochs: 3, batch_size: 16, optimizer: {sgd: {lr: 0.05}}}\n";
    lab a = good(augment, more), b = good(augment, more);
    expect(&a, lab_train(&a, 0, 0), CVY_OK);
    expect(&b, lab_train(&b, 6, 0), CVY_STOPPED);
    setup_free(b.s); /* as another process would begin */
    registry_free(b.r);
    b.r = registry_open(NULL, 0, &b.e);
    b.s = setup_new(b.x, b.r, b.dir, SETUP_RESUMED, &b.e);
    if (!b.s) lab_says(&b, "\na setup for the resumed run");
    expect(&b, lab_train(&b, 0, 0), CVY_OK);
    lab_same_end(&a, &b);
    lab_close(&a), lab_close(&b);
}

/* ---- copies at test time ---- */

static stepper evaluating(lab *l)
{
    stepper w;
    expect(l, stepper_open_evaluation(&w, l->s, 16, &l->e), CVY_OK);
    expect(l, data_prepare(l->s->data, &l->e), CVY_OK);
    return w;
}

/* Loss and share of the right ones over the mean of the copies' probabilities, put together by hand. */
static void by_hand(lab *l, int64_t copies, double *loss, double *right)
{
    static double p[30][CLASSES];
    int32_t labels[30];
    stepper w = evaluating(l);
    const batch *b;
    int64_t batches = 0;
    memset(p, 0, sizeof p);
    loader_start(w.loader, DATA_TEST, 0, 16, 0);
    while ((b = loader_next(w.loader, &l->e))) {
        cvy_shape shape;
        assert_int_equal(b->copies, copies);
        assert_int_equal(b->copy, batches++ % copies);
        expect(l, plan_forward(w.evaluation, b->x, 0, 0, &l->e), CVY_OK);
        const float *y = plan_output(w.evaluation, &shape);
        for (int64_t i = 0; i < b->n; i++) {
            double q[CLASSES], sum = 0;
            for (int c = 0; c < CLASSES; c++) sum += q[c] = exp((double)y[i * CLASSES + c]);
            for (int c = 0; c < CLASSES; c++) p[b->first + i][c] += q[c] / sum / (double)copies;
            labels[b->first + i] = b->labels[i];
        }
    }
    assert_int_equal(batches, 2 * copies);
    *loss = *right = 0;
    for (int i = 0; i < 30; i++) {
        int best = 0;
        for (int c = 1; c < CLASSES; c++)
            if (p[i][c] > p[i][best]) best = c;
        *loss -= log(p[i][labels[i]]) / 30;
        *right += best == labels[i];
    }
    stepper_close(&w);
}

static metrics evaluated(lab *l, data_part part)
{
    stepper w = evaluating(l);
    metrics m;
    const step_at at = {0};
    expect(l, stepper_evaluate(&w, part, &at, NULL, NULL, &m, &l->e), CVY_OK);
    stepper_close(&w);
    return m;
}

static void test_copies(void **unused)
{
    (void)unused;
    static const char
        augment[] = "{random_crop: {padding: 2}}, normalize",
        eval[] = "eval: {augment: [horizontal_flip, {brightness: {factor: [0.3, 3]}}], copies: %d}\n";
    double loss, right, first = 0;
    lab plain = good(augment, "");
    const metrics once = evaluated(&plain, DATA_TEST), held = evaluated(&plain, DATA_VALIDATION);
    for (int copies = 1; copies <= 5; copies += 2) {
        char *more = lab_text(eval, copies);
        lab l = good(augment, more);
        const metrics m = evaluated(&l, DATA_TEST), v = evaluated(&l, DATA_VALIDATION);
        by_hand(&l, copies, &loss, &right);
        assert_int_equal(m.samples, 30);
        if (fabs(metrics_loss(&m) - loss) > 1e-6)
            fail_msg("%d copies lose %.9g, not %.9g", copies, metrics_loss(&m), loss);
        assert_int_equal(m.top1, (int64_t)right);
        assert_true(fabs(loss - first) > 1e-6);
        assert_true(fabs(loss - metrics_loss(&once)) > 1e-6);
        first = loss;
        /* Validation is as it was. */
        assert_true(v.loss == held.loss && v.top1 == held.top1);
        mem_free(more);
        lab_close(&l);
    }
    lab_close(&plain);
}

/* The steps of eval.augment stand where those for training alone stand: a gain of 2 behind an offset is not one before it. */
static void test_place_of_copies(void **unused)
{
    (void)unused;
    static const char eval[] = "eval: {augment: [{horizontal_flip: {p: 1}}], copies: 2}\n";
    lab plain = good("{center_crop: {size: 8}}, {resize: {size: 12}}", ""),
        front = good("{center_crop: {size: 8}}, {resize: {size: 12}}", eval),
        middle = good("{center_crop: {size: 8}}, cutout, {resize: {size: 12}}", eval);
    assert_int_equal(front.s->data->n_steps, 3);
    assert_string_equal(front.s->data->steps[0].path, "eval.augment.0");
    assert_string_equal(middle.s->data->steps[1].path, "eval.augment.0");
    const sample a = read_sample(&plain, DATA_TEST, 3, 0), b = read_sample(&front, DATA_TEST, 3, 1),
                 c = read_sample(&middle, DATA_TEST, 3, 0);
    for (int r = 0; r < PIXELS / 12; r++)
        for (int k = 0; k < 12; k++) {
            assert_true(fabsf(b.x[r * 12 + k] - a.x[r * 12 + 11 - k]) < 1e-6f);
            assert_true(fabsf(c.x[r * 12 + k] - a.x[r * 12 + 11 - k]) < 1e-6f);
        }
    lab_close(&plain), lab_close(&front), lab_close(&middle);
}

/* Where the loss is not of probabilities, the outputs themselves are averaged. */
static void test_copies_of_outputs(void **unused)
{
    (void)unused;
    char *yaml = lab_text(
        "seed: 5\n" SHAPES "target: input}\nmodel: [{conv2d: {channels: 3, kernel: 3, padding: 1}}]\n"
        "loss: mean_squared_error\neval: {augment: [{horizontal_flip: {p: 1}}], copies: 3}\n");
    lab l = lab_open(yaml);
    mem_free(yaml);
    stepper w = evaluating(&l);
    metrics m;
    const step_at at = {0};
    expect(&l, stepper_evaluate(&w, DATA_TEST, &at, NULL, NULL, &m, &l.e), CVY_OK);
    double sum = 0;
    const batch *b;
    loader_start(w.loader, DATA_TEST, 0, 16, 0); /* all three copies are alike */
    while ((b = loader_next(w.loader, &l.e))) {
        cvy_shape shape;
        expect(&l, plan_forward(w.evaluation, b->x, 0, 0, &l.e), CVY_OK);
        const float *y = plan_output(w.evaluation, &shape);
        for (int64_t i = 0; i < b->n * PIXELS && b->copy == 0; i++)
            sum += ((double)y[i] - (double)b->x[i]) * ((double)y[i] - (double)b->x[i]);
    }
    assert_true(fabs(metrics_loss(&m) - sum / 30 / PIXELS) < 1e-6);
    stepper_close(&w);
    lab_close(&l);
}

static char *canonical(const char *more)
{
    lab l = good("horizontal_flip", more);
    text t = {0};
    setup_canonical(l.s, &t);
    lab_close(&l);
    return text_take(&t);
}

static void test_identity(void **unused)
{
    (void)unused;
    char *none = canonical(""), *empty = canonical("eval: {}\n"),
         *two = canonical("eval: {augment: [brightness], copies: 2}\n"),
         *three = canonical("eval: {augment: [brightness], copies: 3}\n"),
         *other = canonical("eval: {augment: [contrast], copies: 2}\n");
    assert_string_equal(none, empty);
    assert_null(strstr(none, "\"eval\""));
    assert_string_not_equal(none, two);
    assert_string_not_equal(two, three);
    assert_string_not_equal(two, other);
    mem_free(none), mem_free(empty), mem_free(two), mem_free(three), mem_free(other);
}

/* ---- regression ---- */

static char *table_of(const char *folder)
{
    text t = {0};
    text_add(&t, "a,b,c,up,down\n");
    for (int i = 0; i < 200; i++) {
        const double a = sin(i), b = cos(3 * i), c = sin(7 * i + 1);
        text_printf(&t, "%.6f,%.6f,%.6f,%.6f,%.6f\n", a, b, c, 2 * a - b + 0.5, a * b - c);
    }
    char *file = path_join(folder, "table.csv");
    errors e = {0};
    assert_int_equal(file_replace(file, text_str(&t), strlen(text_str(&t)), &e), CVY_OK);
    text_free(&t);
    return file;
}

static lab regression(const char *file, const char *augment)
{
    char *yaml =
        lab_text("seed: 2\ndataset: {type: csv, path: %s, target_kind: float, target_column: \"up,down\", "
                 "validation: 0.2, augment: [%s]}\n"
                 "model: [{linear: {units: 16}}, tanh, {linear: {units: 2}}]\nloss: mean_squared_error\n"
                 "train: {epochs: 12, batch_size: 16, optimizer: {adam: {lr: 0.02}}}\n",
                 file, augment);
    lab l = lab_open(yaml);
    mem_free(yaml);
    return l;
}

static double logged(const lab *l, const char *name)
{
    rows r = rows_read(l->dir);
    double v = (double)NAN;
    for (size_t i = 0; i < r.n; i++)
        if (!strcmp(r.items[i].scope, "run") && !strcmp(r.items[i].name, name)) v = r.items[i].value;
    rows_free(&r);
    assert_true(v == v);
    return v;
}

static double epoch_value(const lab *l, const char *name, int64_t epoch)
{
    rows r = rows_read(l->dir);
    double v = (double)NAN;
    for (size_t i = 0; i < r.n; i++)
        if (!strcmp(r.items[i].scope, "epoch") && !strcmp(r.items[i].name, name) && r.items[i].epoch == epoch)
            v = r.items[i].value;
    rows_free(&r);
    return v;
}

/* A run on numbers to be predicted: it learns, has a loss and no accuracy, chooses the best epoch by the loss, and goes on
 * after a stop as if there had been none; with mixed samples too. */
static void test_regression(void **unused)
{
    (void)unused;
    char folder[] = "/tmp/convoy-table-XXXXXX";
    assert_non_null(mkdtemp(folder));
    char *file = table_of(folder);
    static const char *const augments[] = {"", "{mixup: {alpha: 1, p: 0.5}}"};
    for (int i = 0; i < 2; i++) {
        lab a = regression(file, augments[i]), b = regression(file, augments[i]);
        assert_false(a.s->accuracy);
        assert_int_equal(data_target(a.s->data), TARGET_NUMBERS);
        assert_int_equal(data_target_floats(a.s->data), 2);
        expect(&a, lab_train(&a, 0, 0), CVY_OK);
        const double before = epoch_value(&a, "val_loss", 1), after = epoch_value(&a, "val_loss", 12);
        if (!(after < before / 3 && after < 0.3)) fail_msg("val_loss from %g to %g", before, after);
        assert_true(isnan(epoch_value(&a, "val_accuracy", 12)));
        assert_true(logged(&a, "test_loss") < 0.4);
        expect(&b, lab_train(&b, 23, 0), CVY_STOPPED);
        expect(&b, lab_train(&b, 0, 0), CVY_OK);
        lab_same_end(&a, &b);
        lab_close(&a), lab_close(&b);
    }

    /* The numbers are mixed as the inputs are. */
    lab plain = regression(file, ""), mixed = regression(file, "{mixup: {alpha: 1}}");
    float *scratch = mem_array((size_t)data_scratch(mixed.s->data), sizeof *scratch);
    for (int64_t i = 0; i < 40; i++) {
        float x[3][3], t[3][2];
        int32_t label;
        const int64_t of[3] = {i, steps_partner(mixed.s->data, 0, 1, i), i};
        for (int k = 0; k < 3; k++)
            expect(&mixed,
                   data_read(k < 2 ? plain.s->data : mixed.s->data, DATA_TRAIN, of[k], 1, x[k], &label, t[k],
                             scratch, &mixed.e),
                   CVY_OK);
        const double share = ((double)x[2][0] - (double)x[1][0]) / ((double)x[0][0] - (double)x[1][0]);
        for (int k = 0; k < 2; k++)
            assert_true(fabs((double)t[2][k] - (share * (double)t[0][k] + (1 - share) * (double)t[1][k])) <
                        1e-3);
    }
    mem_free(scratch);
    lab_close(&plain), lab_close(&mixed);
    errors e = {0};
    assert_int_equal(file_remove_tree(folder, &e), CVY_OK);
    mem_free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mixed_sample),
        cmocka_unit_test(test_two_mixtures),
        cmocka_unit_test(test_batches_do_not_matter),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_resume),
        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_place_of_copies),
        cmocka_unit_test(test_copies_of_outputs),
        cmocka_unit_test(test_identity),
        cmocka_unit_test(test_regression),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
