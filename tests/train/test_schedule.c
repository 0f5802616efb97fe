/* Tests core/train/schedule: factors against values worked out by hand. */
#include "lab.h"

#include <math.h>

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
    return schedule_factor(&l->s->train.lr_schedule, step, l->s->steps_per_epoch, l->s->train.epochs);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_constant),
        cmocka_unit_test(test_step),
        cmocka_unit_test(test_cosine),
        cmocka_unit_test(test_warmup),
        cmocka_unit_test(test_warmup_longer_than_the_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
