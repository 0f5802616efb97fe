/* A small experiment made ready inside the test's own process, with a run folder of its own. Must not know which test it
 * serves. */
#ifndef TESTS_TRAIN_LAB_H
#define TESTS_TRAIN_LAB_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "train/setup.h"
#include "train/trainer.h"

typedef struct lab {
    errors e;
    experiment *x;
    registry *r;
    setup *s;  /* NULL when the experiment was refused; why is in e */
    char *dir; /* of the run */
} lab;

lab lab_try(const char *yaml);
lab lab_open(const char *yaml); /* fails the test when the experiment is refused */
void lab_close(lab *l);
/* The texts of experiments are put together from parts. */
char *lab_text(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* One attempt at the run; leaves why it failed in l->e. stop_at > 0: asked to stop when it asks for the stop_at-th time,
 * that is, once after each step and between batches of an evaluation. */
cvy_status lab_train(lab *l, int64_t stop_at, int64_t until_epoch);
/* A file of the run folder; the caller mem_free()s. NULL when there is none. */
char *lab_file(const lab *l, const char *name, size_t *n);
/* Whether the messages, as people read them, contain `part`; then empties them. */
void lab_says(lab *l, const char *part);
/* That both folders hold the same files of checkpoints, to the byte, and the same rows. */
void lab_same_end(const lab *a, const lab *b);

#endif
