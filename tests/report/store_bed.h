/* A results folder of made-up runs and the store over it, fresh for each test; must not know what is tested. */
#ifndef TESTS_REPORT_STORE_BED_H
#define TESTS_REPORT_STORE_BED_H

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "report/query.h"
#include "runs.h"

static char results[64];
static store *s; /* NULL until it is opened */
static arena a;
static errors e;

static inline int setup(void **state)
{
    (void)state;
    strcpy(results, "/tmp/convoy-report-XXXXXX");
    s = NULL;
    return mkdtemp(results) ? 0 : 1;
}

static inline int teardown(void **state)
{
    (void)state;
    store_close(s);
    arena_free(&a);
    errors_free(&e);
    return file_remove_tree(results, NULL) != CVY_OK;
}

#define BED_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

/* Over the runs made so far. */
static inline void open_store(void)
{
    s = store_open_current(results, &e);
    assert_non_null(s);
}

/* The same, and all runs. */
static inline void load_runs(query_run **out, size_t *count)
{
    open_store();
    assert_int_equal(query_runs(s, &a, out, count, &e), CVY_OK);
}

#endif
