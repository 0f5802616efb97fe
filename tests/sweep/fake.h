/* Children that only pretend: a test program starts itself as `planner` or `trial`, and an override `fake=WORD` says what
 * such a child does. Knows the protocol, no plugin and no tensor. */
#ifndef TESTS_SWEEP_FAKE_H
#define TESTS_SWEEP_FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"
#include "sweep/trial.h"

/* Called first in main(): plays the child and leaves when this process is one. */
void fake_child(int argc, char **argv);

/* A folder of its own under /tmp, removed by fake_cleanup(). */
char *fake_folder(void);
void fake_cleanup(void);

/* All messages as text; the caller frees. */
static inline char *messages(const errors *e)
{
    text t = {0};
    errors_text(e, false, &t);
    return text_take(&t);
}

/* A trial that was planned, whose child does what the word says; it is told of in fake_book(), which fake_cleanup() closes. */
trial fake_trial(const char *word, const char *hash);
/* The same as configuration `config` of a sweep, under another label. */
trial fake_labelled(const char *word, const char *hash, const char *label, size_t config);
book *fake_book(void);

#endif
