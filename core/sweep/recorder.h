/* Takes journals into the results folder's database while trials run. The journals are the truth: whatever
 * goes wrong here is a warning, said once. */
#ifndef SWEEP_RECORDER_H
#define SWEEP_RECORDER_H

#include <stdbool.h>
#include <stdint.h>
#include "base/error.h"

typedef struct recorder recorder;

recorder *recorder_open(const char *results);
/* Takes in what is new in a run's or sweep's folder, together with others within a second. Warnings go to `warnings`. */
void recorder_take(recorder *r, const char *dir, errors *warnings);
/* Whether the next recorder_take() will not wait for others. */
bool recorder_is_due(const recorder *r);
/* Nothing is taken in for so long but by recorder_flush(). */
void recorder_rest(recorder *r, double seconds);
/* Now. */
void recorder_flush(recorder *r, errors *warnings);
/* The largest number in use by runs ('r') or sweeps ('s') that the database knows. */
int64_t recorder_last_number(recorder *r, char kind, errors *warnings);
void recorder_close(recorder *r); /* NULL is fine */

#endif
