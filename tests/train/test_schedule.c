/* Tests core/train/schedule: factors against values worked out by hand. */
#include "lab.h"

#include <math.h>
#include <string.h>

#include "schedule_references.h"
#include "train/schedule.h"

static const char experiment_text[] = "dataset: {type: brittle, train: 100, validation: 0}\n"
                                      "model: [flatten, {linear: {units: classes}}]\n"
                                      "train: {epochs: %d, batch_size: 10, lr_schedule: %s}\n";

static lab with_schedule(int epochs, const char *schedule)
{
    char *yaml = lab_text(experiment_text, epochs, schedule);
    lab l = lab_open(yaml);
    mem_free(yaml);
    assert_int_equal(l.s->steps_per_epoch, 10);
    return l;
}

static double factor(const lab *l, int64_t step)
{
    return schedule_factor(&l->s->train.lr_schedule, step, l->s->steps_per_epoch, l->s->train.epochs, NULL);
}

static void near(double got, double expected)
{
    if (!(fabs(got - expected) < 1e-12)) fail_msg("%.17g, expected %.17g", got, expected);
}

static void test_constant(void **unused)
{
    (void)unused;
    lab l = with_schedule(3, "constant");
    for (int64_t step = 0; step < 30; step++) near(factor(&l, step), 1);
    lab_close(&l);
}

static void test_step(void **unused)
{
    (void)unused;
    lab l = with_schedule(6, "{type: step, every_epochs: 2, gamma: 0.1}");
    near(factor(&l, 0), 1);
    near(factor(&l, 19), 1);
    near(factor(&l, 20), 0.1);
    near(factor(&l, 39), 0.1);
    near(factor(&l, 40), 0.01);
    near(factor(&l, 59), 0.01);
    lab_close(&l);
}

static void test_cosine(void **unused)
{
    (void)unused;
    lab l = with_schedule(4, "cosine");
    near(factor(&l, 0), 1);
    near(factor(&l, 10), 0.5 + 0.25 * sqrt(2));
    near(factor(&l, 20), 0.5);
    near(factor(&l, 39), 0.5 * (1 + cos(M_PI * 39 / 40)));
    lab_close(&l);
    l = with_schedule(4, "{type: cosine, min_factor: 0.2}");
    near(factor(&l, 0), 1);
    near(factor(&l, 20), 0.6);
    near(factor(&l, 40), 0.2);
    lab_close(&l);
}

/* The first update of a rise from 0 is not lost on a rate of 0, and the last one has the whole rate. */
static void test_warmup(void **unused)
{
    (void)unused;
    lab l = with_schedule(4, "{type: constant, warmup_epochs: 2}");
    near(factor(&l, 0), 1.0 / 20);
    near(factor(&l, 9), 0.5);
    near(factor(&l, 19), 1);
    near(factor(&l, 20), 1);
    lab_close(&l);
    l = with_schedule(4, "{type: constant, warmup_epochs: 0.5, warmup_start: 0.5}");
    near(factor(&l, 0), 0.6);
    near(factor(&l, 3), 0.9);
    near(factor(&l, 4), 1);
    lab_close(&l);
    l = with_schedule(4, "{type: cosine, warmup_epochs: 1}");
    near(factor(&l, 4), 0.5);
    near(factor(&l, 10), 1); /* the fall begins where the rise ends */
    near(factor(&l, 25), 0.5);
    lab_close(&l);
}

/* A warm-up that the run never comes out of: the rate still rises. */
static void test_warmup_longer_than_the_run(void **unused)
{
    (void)unused;
    lab l = with_schedule(2, "{type: cosine, warmup_epochs: 4}");
    lab_says(&l, "warmup_epochs: 4 is the whole run of 2 epochs");
    near(factor(&l, 0), 1.0 / 40);
    near(factor(&l, 19), 0.5);
    lab_close(&l);
}

/* PyTorch's schedulers over 50 epochs. */
static void test_references(void **unused)
{
    (void)unused;
    double furthest = 0;
    for (size_t i = 0; i < sizeof schedule_references / sizeof *schedule_references; i++) {
        const struct schedule_reference *r = &schedule_references[i];
        lab l = with_schedule(50, r->schedule);
        const cvy_child *schedule = &l.s->train.lr_schedule;
        schedule_state s = {0};
        for (int epoch = 0; epoch < 50; epoch++) {
            double got = schedule_factor(schedule, epoch * 10, 10, 50, &s),
                   off = fabs(got - r->factors[epoch]);
            if (!(off < 1e-8))
                fail_msg("%s, epoch %d: %.17g, PyTorch has %.17g", r->schedule, epoch, got,
                         r->factors[epoch]);
            furthest = fmax(furthest, off);
            schedule_see(schedule, &s, schedule_values[epoch]);
        }
        lab_close(&l);
    }
    print_message("furthest from PyTorch: %.3g\n", furthest);
}

static void test_ends(void **unused)
{
    (void)unused;
    lab l = with_schedule(4, "{type: polynomial, power: 2, min_factor: 0.1, warmup_epochs: 2}");
    near(factor(&l, 19), 1); /* the fall is over what is left behind the warm-up */
    near(factor(&l, 20), 1);
    near(factor(&l, 30), 0.1 + 0.9 * 0.25);
    near(factor(&l, 40), 0.1);
    lab_close(&l);
    l = with_schedule(4, "{type: one_cycle, rise: 0.5, div_factor: 4, final_div_factor: 2, anneal: linear}");
    near(factor(&l, 0), 0.25);
    near(factor(&l, 19), 1);
    near(factor(&l, 39), 0.125);
    lab_close(&l);
    l = with_schedule(4, "{type: cosine_restarts, cycle_epochs: 2, warmup_epochs: 1}");
    near(factor(&l, 4), 0.5);
    near(factor(&l, 10), 1);
    near(factor(&l, 20), 0.5);
    near(factor(&l, 30), 1);
    lab_close(&l);
    l = with_schedule(4, "{type: multi_step, milestones: 3, warmup_epochs: 1}");
    near(factor(&l, 4), 0.5);
    near(factor(&l, 29), 1);
    near(factor(&l, 30), 0.1);
    lab_close(&l);
}

/* One epoch of one step, and one cycle of no rise at all. */
static void test_shortest(void **unused)
{
    (void)unused;
    static const char *const all[] = {"polynomial",
                                      "cosine_restarts",
                                      "one_cycle",
                                      "{type: one_cycle, rise: 0, three_phase: true}",
                                      "{type: one_cycle, rise: 1}",
                                      "{type: one_cycle, warmup_epochs: 1}"};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        lab l = with_schedule(1, all[i]);
        for (int64_t step = 0; step < 2; step++) {
            double f = schedule_factor(&l.s->train.lr_schedule, step, 1, 1, NULL);
            assert_true(isfinite(f) && f >= 0 && f <= 1);
        }
        lab_close(&l);
    }
}

static void test_patience(void **unused)
{
    (void)unused;
    static const double values[] = {3, 2, 2, (double)NAN, 1.95, 1.85, 9};
    static const int64_t waited[] = {0, 0, 1, 2, 3, 0, 1};
    patience p = {0};
    for (int i = 0; i < 7; i++) {
        patience_see(&p, values[i], false, 0.1);
        assert_int_equal(p.waited, waited[i]);
    }
    near(p.best, 1.85);
    p = (patience){0};
    patience_see(&p, (double)NAN, true, 0);
    assert_int_equal(p.waited, 1);
    patience_see(&p, 0.1, true, 0);
    assert_int_equal(p.waited, 0);
    patience_see(&p, 0.1, true, 0);
    assert_int_equal(p.waited, 1);
    patience_see(&p, 0.2, true, 0);
    assert_int_equal(p.waited, 0);
}

static void refused(const char *train, const char *wanted)
{
    char *yaml = lab_text("dataset: {type: brittle, train: 100, validation: %s}\n"
                          "model: [flatten, {linear: {units: classes, name: head}}]\n"
                          "train: {epochs: 2, batch_size: 10, %s}\n",
                          strstr(train, "val_") ? "0" : "0.5", train);
    lab l = lab_try(yaml);
    mem_free(yaml);
    assert_null(l.s);
    lab_says(&l, wanted);
    lab_close(&l);
}

static void test_refused(void **unused)
{
    (void)unused;
    refused("early_stopping: {patience: 0}", "train: early_stopping: patience: 0 is below 1");
    refused("early_stopping: {metric: val_los}", "did you mean `val_loss`?");
    refused("early_stopping: {monitor: val_loss}", "this is `metric` here");
    refused("early_stopping: 5", "early_stopping: expected a map of parameters, found");
    refused("early_stopping: {metric: val_loss}",
            "train.early_stopping: waits for val_loss, and there are no validation samples");
    refused("lr_schedule: {type: reduce_on_plateau, metric: val_accuracy}",
            "train.lr_schedule: waits for val_accuracy, and there are no validation samples");
    refused("lr_schedule: {type: reduce_on_plateau, patience: 0}", "patience: 0 is below 1");
    refused("lr_schedule: multi_step", "missing required parameter \"milestones\"");
    refused("lr_schedule: {type: multi_step, milestones: [3, 0]}", "milestones: 0 is below 1");
    refused("clip_norm: -1", "clip_norm: -1 is below 0");
    refused("clip_value: -0.5", "clip_value: -0.5 is below 0");
    refused("accumulate: 0", "accumulate: 0 is below 1");
    refused("gradient_clip_val: 1", "this is `clip_norm` here");
    refused("no_decay: [\"*.bais\"]", "no_decay: no weight is called \"*.bais\"");
    refused("no_decay: head", "did you mean `head.*`, all of that layer?");
    refused("no_decay: {a: 1}", "expected a list of patterns");
    refused("lr_multipliers: {stem.weight: 0.1}", "lr_multipliers: no weight is called \"stem.weight\"");
    refused("lr_multipliers: {\"head.*\": -1}", "-1 is not within 0 to 1000000");
    refused("lr_multipliers: [head]", "expected a map of patterns to factors");
    refused("optimizer: {type: lookahead, k: 0}", "k: 0 is below 1");
    refused("optimizer: {type: lookahead, optimizer: {type: sgd, nesterov: true}}",
            "nesterov: needs momentum above 0");
    refused("optimizer: {type: ema, optimizer: {type: ema, optimizer: {type: ema, optimizer: {type: ema, "
            "optimizer: "
            "{type: ema, optimizer: {type: ema, optimizer: {type: ema}}}}}}}",
            "needs 9 state arrays with what it wraps; 8 is the most");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_constant),
        cmocka_unit_test(test_step),
        cmocka_unit_test(test_cosine),
        cmocka_unit_test(test_warmup),
        cmocka_unit_test(test_warmup_longer_than_the_run),
        cmocka_unit_test(test_references),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_shortest),
        cmocka_unit_test(test_patience),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
