/* Owns what a run costs, as numbers; must not know who compares them. */
#include "report/measure.h"

#include <math.h>
#include <string.h>

double measure_seconds(const query_run *r)
{
    return r->seconds;
}

double measure_parameters(const query_run *r)
{
    return r->parameters == QUERY_NONE ? (double)NAN : (double)r->parameters;
}

double measure_macs(const query_run *r)
{
    return r->macs == QUERY_NONE ? (double)NAN : (double)r->macs;
}

static double val_accuracy(const query_run *r)
{
    return r->best_val_accuracy;
}

static double val_loss(const query_run *r)
{
    return r->best_val_loss;
}

double measure_test_accuracy(const query_run *r)
{
    return r->test_accuracy;
}

static double test_loss(const query_run *r)
{
    return r->test_loss;
}

const measure_result measure_results[MEASURE_RESULTS] = {
    {"val_accuracy", "Val. accuracy", "VAL ACC %", val_accuracy, true},
    {"val_loss", "Val. loss", "VAL LOSS", val_loss, false},
    {"test_accuracy", "Test accuracy", "TEST ACC %", measure_test_accuracy, true},
    {"test_loss", "Test loss", "TEST LOSS", test_loss, false},
};

double (*measure_named(const char *name))(const query_run *r)
{
    static const struct {
        const char *name;
        double (*value)(const query_run *r);
    } known[] = {{"seconds", measure_seconds}, {"parameters", measure_parameters}, {"macs", measure_macs}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(known[i].name, name)) return known[i].value;
    return NULL;
}
