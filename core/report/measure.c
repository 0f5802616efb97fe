/* Owns what a run costs, as numbers; must not know who compares them. */
#include "report/measure.h"

#include <math.h>

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
