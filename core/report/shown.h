/* How values of runs read, on a terminal and on a page alike. */
#ifndef REPORT_SHOWN_H
#define REPORT_SHOWN_H

#include <stdbool.h>
#include <stdint.h>
#include "base/text.h"

/* Nan and QUERY_NONE read "-". */
void shown_accuracy(text *t, double share, bool unit); /* 84.63, with `unit` 84.63 % */
void shown_loss(text *t, double v);                    /* 0.4213; from 1000 on 1.2e+04 */
/* One of the two, by the metric's name; NULL: as a loss. */
void shown_metric(text *t, const char *metric, double v, bool unit);
void shown_count(text *t, int64_t v);         /* 269,722 */
void shown_big(text *t, int64_t v);           /* 40.6 M */
void shown_duration(text *t, double seconds); /* 9.3 s, 4 min 05 s, 2 h 10 min */
void shown_moment(text *t, double at,
                  bool utc); /* 2026-03-01 12:30, with `utc` 2026-03-01 12:30 UTC, else local */

#endif
