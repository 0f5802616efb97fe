/* Owns the checks of a layer under threads: shares of a loop in any order, and calls at once. */
#include <pthread.h>

#include "check/layer_checks.h"

#define ROUNDS 20

static void step(testbed *b)
{
    if (testbed_forward(b) && !(b->traits & CVY_NO_BACKWARD)) testbed_backward(b);
}

static void check_splits(specimen *s, const layer_case *c, verdict *v)
{
    static const testbed_split orders[] = {SPLIT_BACKWARD, SPLIT_THREADS, SPLIT_THREADS, SPLIT_THREADS};
    testbed forward, b = {0};
    if (layer_cases_bed(&forward, s, c, false, 11, v)) {
        forward.split = SPLIT_FORWARD;
        step(&forward);
        bool ok = true;
        for (size_t i = 0; ok && i < sizeof orders / sizeof *orders; i++) {
            if ((ok = layer_cases_bed(&b, s, c, false, 11, v))) {
                b.split = orders[i];
                step(&b);
                ok = testbed_same(
                    &b, &forward, true, 0, v,
                    orders[i] == SPLIT_BACKWARD
                        ? "the shares of parallel_for() computed in another order give other numbers"
                        : "the shares of parallel_for() computed at once give other numbers: a race");
            }
            testbed_close(&b);
        }
        if (ok && layer_cases_bed(&b, s, c, false, 11, v)) {
            step(&b);
            testbed_same(&b, &forward, true, 1e-4, v, "another split of parallel_for() gives other numbers");
        }
        testbed_close(&b); /* closed twice does no harm */
    }
    testbed_close(&forward);
}

typedef struct worker {
    testbed bed;
    testbed alone; /* the same computed alone */
    bool differs;
} worker;

static void *run_worker(void *arg)
{
    worker *w = arg;
    verdict unheard = {0};
    for (int i = 0; i < ROUNDS && !w->differs; i++) {
        testbed_reset(&w->bed);
        step(&w->bed);
        w->differs = !testbed_same(&w->bed, &w->alone, true, 0, &unheard, "");
    }
    verdict_free(&unheard);
    return NULL;
}

/* Two networks with such a layer each, in two threads. */
static void check_at_once(specimen *s, const layer_case *c, verdict *v)
{
    worker w[2] = {0};
    pthread_t threads[2];
    bool started[2] = {false}, ok = true;
    for (uint32_t i = 0; i < 2; i++) {
        ok = layer_cases_bed(&w[i].bed, s, c, false, 12 + i, v) && ok;
        ok = layer_cases_bed(&w[i].alone, s, c, false, 12 + i, v) && ok;
        if (!ok) continue;
        testbed_reset(&w[i].alone);
        step(&w[i].alone);
    }
    for (int i = 0; ok && i < 2; i++) started[i] = pthread_create(&threads[i], NULL, run_worker, &w[i]) == 0;
    for (int i = 0; i < 2; i++) {
        if (started[i]) pthread_join(threads[i], NULL);
        testbed_close(&w[i].bed);
        testbed_close(&w[i].alone);
    }
    if (w[0].differs || w[1].differs)
        verdict_fail(v, "two calls at once, on arrays of their own, disturb each other: something is shared");
}

void layer_threads_check(specimen *s, verdict *v)
{
    const layer_cases *list = layer_cases_of(s);
    for (size_t i = 0; i < list->n; i++) {
        verdict_at(v, list->items[i].text);
        check_splits(s, &list->items[i], v);
        if (i < 6) check_at_once(s, &list->items[i], v);
    }
}
