/* TensorBoard's event files: records of protocol buffers, composed in memory and written at once.
 *
 * Framing and field numbers are those of TensorFlow's tensorflow/core/lib/io/record_writer.cc, core/util/event.proto,
 * core/framework/summary.proto and of TensorBoard's plugins/hparams/plugin_data.proto. */
#ifndef REPORT_EVENT_FILE_H
#define REPORT_EVENT_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include "base/text.h"

typedef struct event_file {
    text bytes; /* what the file is to hold */
} event_file;

void event_file_begin(event_file *f, double wall_time);
void event_file_free(event_file *f);

void event_file_scalar(event_file *f, double wall_time, int64_t step, const char *tag, double value);
/* Of any values; those that are not finite do not count. */
void event_file_histogram(event_file *f, double wall_time, int64_t step, const char *tag,
                          const double *values, size_t n);
/* Of values that have been counted already, in n buckets of equal width from low to high. */
typedef struct event_counts {
    double low, high, mean, sd;
    const int64_t *counts;
    size_t n;
} event_counts;
void event_file_counts(event_file *f, double wall_time, int64_t step, const char *tag, const event_counts *c);
/* A PNG file's bytes; channels 1 or 3. */
void event_file_image(event_file *f, double wall_time, int64_t step, const char *tag, int64_t height,
                      int64_t width, int channels, const void *png, size_t n);

typedef struct event_pair {
    const char *name, *value; /* numbers as text are taken as numbers, true and false as such */
} event_pair;

/* Once, in the folder above the runs': which hyperparameters and metrics the table is to have. */
void event_file_experiment(event_file *f, double wall_time, const char *const *names, size_t n,
                           const char *const *metrics, size_t n_metrics);
/* In each run's file. Runs of one `group` (their configuration's hash) become one line of the table. */
void event_file_session(event_file *f, double wall_time, const char *group, const event_pair *pairs,
                        size_t n);
typedef enum event_status {
    EVENT_UNKNOWN,
    EVENT_SUCCESS = 1,
    EVENT_FAILURE = 2,
    EVENT_RUNNING = 3
} event_status;
void event_file_session_end(event_file *f, double wall_time, event_status status);

#endif
