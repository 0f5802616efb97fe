/* The steps of augmentation that a sample goes through: which ones when, what they learned from the training samples, whom
 * they mix a sample with. Does not read samples itself: data.c does. */
#ifndef TRAIN_STEPS_H
#define TRAIN_STEPS_H

#include "train/data.h"

typedef enum data_how {
    DATA_AS_TRAINING,   /* all steps of dataset.augment */
    DATA_AS_EVALUATION, /* those that are preprocessing */
    DATA_AS_COPY,       /* those and the ones of eval.augment */
    DATA_HOWS
} data_how;

enum { STEP_IN_COPIES_ALONE = 0x1u }; /* one of eval.augment, which runs as it does in training */

typedef struct data_step {
    const cvy_child *child;
    const char *path;     /* dataset.augment.2 */
    const char *position; /* in its list: keys its random numbers */
    philox_key key;       /* of them */
    uint32_t traits;      /* as configured */
    uint32_t when;        /* STEP_* */
    void *state;          /* of prepare, or NULL */
} data_step;

/* A way to read a sample: as what, and through the steps before `end`. */
typedef struct data_way {
    data_part part;
    data_how how;
    int32_t epoch;
    size_t end;
} data_way;

/* data_read() in any way; data.c. */
cvy_status data_read_way(const data *d, const data_way *way, int64_t i, float *x, int32_t *label,
                         float *target, float *scratch, errors *e);

/* How the test samples are read. */
data_how data_how_tested(const data *d);
/* The steps of a test on a sample from elsewhere, number `number`, that lies at x: before each step, and at last, it has the
 * shapes. `other` is as long; *y tells in which of the two it came to lie. data.c. */
cvy_status data_finish(const data *d, int64_t number, int32_t copy, const cvy_shape *shapes, float *x,
                       float *other, float **y, errors *e);

/* Both lists as one: eval.augment stands where the first step of dataset.augment that is for training alone stands, or in
 * front where there is none. */
void steps_list(data *d);
/* What the core asks of step k, which makes `out` of `in`; nonzero after reporting. */
int steps_check(const data *d, size_t k, const cvy_shape *in, const cvy_shape *out, const cvy_host *host);
/* Lets the steps learn that want to, in order. */
cvy_status steps_prepare(data *d, errors *e);
void steps_release(data *d);

bool steps_apply(const data *d, size_t k, data_how how);

/* ---- mixing ---- */

/* Whether targets in training are shares of the classes. */
bool steps_mix_classes(const data *d);
/* Whom step k mixes training sample i with: another one of the same shape there, uniformly, a function of (seed, epoch, sample, step). Both are
 * numbers within the part. */
int64_t steps_partner(const data *d, size_t k, int32_t epoch, int64_t i);
/* A class as shares, where shares are mixed. */
void steps_first_target(const data *d, int32_t label, float *target);
void steps_mix_targets(float *target, const float *other, int64_t n, float share);
/* The class with the largest share, among equal ones the sample's own. */
void steps_last_label(const data *d, const float *target, int32_t *label);

#endif
