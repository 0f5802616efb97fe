/* Folders of runs and sweeps in a results folder: their names, their descriptions, how to find them. No
 * database. */
#ifndef SWEEP_RUNS_H
#define SWEEP_RUNS_H

#include <stdbool.h>
#include <stdint.h>
#include "base/error.h"
#include "base/json.h"
#include "base/memory.h"

/* A run or sweep in the making. Its folder gets its name when all is in it, so a process that dies on the way
 * leaves neither half a run nor a gap in the numbers. */
typedef struct runs_draft {
    char *name;  /* "r12" */
    char *dir;   /* where to write until it is published */
    char *final; /* RESULTS/NAME */
    int lock;
} runs_draft;

/* Makes the results folder when absent, and in it a draft with the next number behind `least` and all that are
 * there: kind 'r' or 's'. Until the draft is published or dropped, other processes wait here. */
cvy_status runs_begin(const char *results, char kind, int64_t least, runs_draft *out, errors *e);
/* A sweep durably, a run not: its first checkpoint is the first that there is to be lost. The draft is gone either way, but name and final stay until runs_drop(). */
cvy_status runs_publish(runs_draft *d, errors *e);
void runs_drop(runs_draft *d); /* removes what was not published; frees; fine when all zero */

/* Numbers of the folders of a kind that hold a description, ascending; mem_alloc'ed. */
int64_t *runs_numbers(const char *results, char kind, size_t *n);
/* 12 for "r12" with kind 'r'; 0 when it is no such name. */
int64_t runs_number(const char *name, char kind);

/* A description, run.json or sweep.json, in the arena. */
typedef struct run_info {
    const char *name, *dir;
    const json *whole;
    const char *experiment, *label, *source, *base_dir, *config_hash, *exact_key, *model, *metric;
    const char *sweep; /* NULL for a single run */
    bool maximize;
    int64_t trial, repeat, seed, epochs, steps_per_epoch, train_samples, threads;
    double created;
} run_info;

/* Reads RESULTS/NAME/run.json. */
cvy_status runs_read(const char *results, const char *name, arena *a, run_info *out, errors *e);
/* Reads RESULTS/NAME/sweep.json as a whole; NULL after reporting. */
const json *runs_read_sweep(const char *results, const char *name, arena *a, errors *e);

/* What a word stands for: r12, s3, `last` (the newest of both), the name of an experiment or the only
 * beginning of one (its newest run, or the sweep that this belongs to). *name lives in the arena. */
cvy_status runs_find(const char *results, const char *word, arena *a, const char **name, errors *e);

/* Takes a run's or sweep's folder away, at once for whoever looks for it: it gets another name before its files go. Where a
 * process works in it: CVY_ERR_RESOURCE. Absent is fine. What an earlier call was killed over goes too. */
cvy_status runs_remove(const char *results, const char *name, errors *e);

/* Whether a process holds the folder's lock, and so works in it. */
bool runs_held(const char *dir);

#endif
