/* What a run is by itself, beside its parameters: as a groups_value, nan where it is not known. */
#ifndef REPORT_MEASURE_H
#define REPORT_MEASURE_H

#include "report/query.h"

double measure_seconds(const query_run *r); /* of training */
double measure_parameters(const query_run *r);
double measure_macs(const query_run *r); /* of a sample's forward pass */

#endif
