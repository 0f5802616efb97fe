/* Run folders made up for tests, written as a trial and its supervisor would; must not know the store. */
#ifndef TESTS_REPORT_RUNS_H
#define TESTS_REPORT_RUNS_H

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "journal/record.h"

typedef struct made_run {
    const char *name, *experiment, *sweep, *label, *model;
    int trial, repeat, seed;
    const char *params; /* ",\"a.b\":\"c\"..." behind the usual ones; NULL for none */
    const char *metric, *goal;
} made_run;

static inline char *made_dir(const char *results, const char *name)
{
    char *dir = path_join(results, name);
    cvy_status status = file_make_dirs(dir, NULL);
    assert(status == CVY_OK);
    (void)status;
    return dir;
}

static inline void made_file(const char *dir, const char *name, const char *content)
{
    char *path = path_join(dir, name);
    cvy_status status = file_replace(path, content, strlen(content), NULL);
    assert(status == CVY_OK);
    (void)status;
    mem_free(path);
}

/* run.json; returns the folder, which the caller frees. */
static inline char *made_describe(const char *results, const made_run *r)
{
    char *dir = made_dir(results, r->name);
    json_writer w = {0};
    json_open(&w, '{');
    json_put_text(&w, "run", r->name);
    json_put_text(&w, "experiment", r->experiment);
    json_put_text(&w, "label", r->label);
    json_put_double(&w, "created", 1732190000.5 + atoi(r->name + 1));
    json_put_text(&w, "source", "experiments/x.yaml");
    json_put_text(&w, "base_dir", "/abs");
    json_key(&w, "overrides");
    json_raw(&w, "[\"train.epochs=2\"]");
    json_put_text(&w, "sweep", r->sweep);
    json_put_int(&w, "trial", r->sweep ? r->trial : -1);
    json_put_int(&w, "repeat", r->repeat);
    json_put_int(&w, "seed", r->seed);
    json_put_text(&w, "config_hash", "c0ffee");
    json_put_text(&w, "exact_key", "k");
    json_put_text(&w, "model", r->model ? r->model : "cifar_resnet20");
    json_key(&w, "parameters");
    json_raw(&w, "{\"total\":269722,\"trainable\":269722}");
    json_put_int(&w, "macs", 40550000);
    json_put_int(&w, "epochs", 30);
    json_put_int(&w, "steps_per_epoch", 351);
    text params = {0};
    text_printf(&params, "{\"seed\":\"%d\",\"train.epochs\":\"30\"%s}", r->seed, r->params ? r->params : "");
    json_key(&w, "params");
    json_raw(&w, text_str(&params));
    text_free(&params);
    json_key(&w, "plugins");
    json_raw(&w, "[{\"kind\":\"layer\",\"name\":\"conv2d\",\"path\":\"/p/conv2d.so\",\"sha256\":\"ab\"}]");
    json_key(&w, "environment");
    json_raw(&w, "{\"host\":\"lab\",\"threads\":\"2\"}");
    json_key(&w, "dataset");
    json_raw(&w,
             "{\"type\":\"cifar10\",\"fingerprint\":\"f\",\"train\":45000,\"validation\":5000,\"test\":10000,"
             "\"classes\":10}");
    json_key(&w, "metric");
    json_open(&w, '{');
    json_put_text(&w, "name", r->metric ? r->metric : "val_accuracy");
    json_put_text(&w, "goal", r->goal ? r->goal : "maximize");
    json_close(&w, '}');
    json_close(&w, '}');
    made_file(dir, "run.json", text_str(&w.out));
    text_free(&w.out);
    return dir;
}

static inline journal *made_journal(const char *dir, int attempt, int64_t from_step)
{
    char *path = mem_printf("%s/journal.%d", dir, attempt);
    journal *j = journal_create(path, NULL);
    assert(j);
    record_segment(j, attempt, from_step, "k", NULL);
    mem_free(path);
    return j;
}

static inline journal *made_events(const char *dir)
{
    char *path = path_join(dir, "events");
    journal *j = journal_continue(path, NULL);
    assert(j);
    mem_free(path);
    return j;
}

/* A number between 0 and 1 that is the same everywhere. */
static inline double made_noise(unsigned *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (double)(*state >> 8) / (double)(1u << 24);
}

/* Epochs from..to of a training that learns at `rate`, as a trial logs them; `shift` spoils the values. */
static inline void made_epochs(journal *j, int from, int to, double rate, unsigned seed, double shift)
{
    for (int i = from; i <= to; i++) {
        unsigned state = seed * 7919u + (unsigned)i;
        double wave = 0.06 * (made_noise(&state) - 0.5), wave2 = 0.06 * (made_noise(&state) - 0.5);
        double fit = 1 - exp(-rate * i), gap = 0.25 * (1 - exp(-rate * i / 3));
        metric steps[] = {{"train_loss", 2.3 - 2.1 * fit + wave}, {"lr", 0.1}};
        for (int k = 1; k <= 3; k++)
            record_metrics(j, "step", (i - 1) * 351 + k * 100, i - 1, steps, 2, NULL);
        metric m[] = {{"train_loss", 2.3 - 2.1 * fit + wave / 2 + shift},
                      {"train_accuracy", 0.1 + 0.85 * fit - wave / 4},
                      {"val_loss", 2.3 - 2.1 * fit + wave2 + gap + shift},
                      {"val_accuracy", 0.1 + 0.75 * fit - wave2 / 3}};
        record_metrics(j, "epoch", i * 351, i, m, 4, NULL);
        metric t[] = {{"seconds", 12.5 + wave}, {"images_per_second", 3600 + 100 * wave}, {"rss_bytes", 5e8}};
        record_metrics(j, NULL, i * 351, i, t, 3, NULL);
    }
}

/* A run from its start to its end. */
static inline void made_whole(const char *results, const made_run *r, int epochs, double rate)
{
    char *dir = made_describe(results, r);
    journal *events = made_events(dir), *j;
    record_start(events, 1, 123, NULL);
    j = made_journal(dir, 1, 0);
    record_kernels(j, "{\"stem\":\"conv.onednn c16\"}", NULL);
    made_epochs(j, 1, epochs, rate, (unsigned)(r->seed + 10 * r->trial), 0);
    record_artifact(j, "checkpoint", "checkpoints/best.safetensors", epochs * 351, NULL);
    metric test[] = {{"test_loss", 0.6 - 0.1 * rate}, {"test_accuracy", 0.8 + 0.1 * rate + 0.001 * r->seed}};
    record_metrics(j, "run", epochs * 351, epochs, test, 2, NULL);
    record_end(j, "finished", epochs * 351, "", NULL);
    record_exit(events, 1, 0, 0, 12.5 * epochs, NULL);
    journal_close(j);
    journal_close(events);
    mem_free(dir);
}

/* A run of one epoch that came to these values; n 0: it failed before. */
static inline void made_values(const char *results, const made_run *r, const metric *values, size_t n)
{
    char *dir = made_describe(results, r);
    journal *events = made_events(dir), *j;
    record_start(events, 1, 123, NULL);
    j = made_journal(dir, 1, 0);
    if (n) record_metrics(j, "epoch", 351, 1, values, n, NULL);
    record_end(j, n ? "finished" : "failed", n ? 351 : 0, "", NULL);
    record_exit(events, 1, n ? 0 : 1, 0, 12.5, NULL);
    journal_close(j);
    journal_close(events);
    mem_free(dir);
}

static inline void made_sweep(const char *results, const char *name, int trials)
{
    char *dir = made_dir(results, name);
    text t = {0};
    text_printf(
        &t,
        "{\"sweep\":\"%s\",\"experiment\":\"optimizers\",\"source\":\"experiments/"
        "x.yaml\",\"created\":1732189999,"
        "\"method\":\"grid\",\"metric\":{\"name\":\"val_accuracy\",\"goal\":\"maximize\"},\"trials\":%d}",
        name, trials);
    made_file(dir, "sweep.json", text_str(&t));
    text_free(&t);
    mem_free(dir);
}

#endif
