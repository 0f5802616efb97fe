/* What is behind the handles of convoy/convoy.h, and how every call of it begins and ends. */
#ifndef API_API_H
#define API_API_H

#include <locale.h>
#include <pthread.h>

#include "convoy/convoy.h"
#include "graph/plan.h"
#include "train/setup.h"

struct cvy_experiment {
    arena memory;
    experiment *x;
    registry *plugins;
    setup *s;
    bool trainable; /* everything was set up, not the network alone */
    char *warnings;
    pthread_mutex_t lock; /* around data_prepare(), which computes at first need */
};

/* The training part's statistics, once. From any thread. */
cvy_status api_prepare_data(const cvy_experiment *x, errors *e);

struct cvy_model {
    const cvy_experiment *x;
    state *state;
    bool borrowed; /* the state is a session's */
    int threads;   /* that plans are made for */
    plan *plan;    /* for `samples` at once; NULL: none yet */
    int64_t samples;
    void *memory;
    float *input; /* of the plan, aligned */
    size_t memory_bytes, input_bytes;
};

/* A batched shape without its batch. */
static inline cvy_shape api_sample(const cvy_shape *batched)
{
    cvy_shape s = {.rank = batched->rank - 1};
    for (int i = 0; i < s.rank; i++) s.dim[i] = batched->dim[i + 1];
    return s;
}

/* The weights of `init:`, if the experiment has one, in place of those that the seed made. */
cvy_status api_start_weights(const cvy_experiment *x, state *into, errors *e);

/* What belongs to the model alone, not its state. */
void api_model_release(cvy_model *m);
/* Plans hold the number of threads that they were made for. */
cvy_status api_same_threads(int threads, errors *e);

/* That the samples the network sees are all of one shape, for calls that say nothing of shapes. */
cvy_status api_one_size(const cvy_experiment *x, const char *call, errors *e);

/* ---- a call ---- */

/* Every function that can fail: api_begin(), work with &call.e, return api_end(). In between, numbers read and are
 * written with a point, whatever locale the program has set. */
typedef struct api_call {
    errors e;
    locale_t before, plain;
} api_call;

api_call api_begin(void);
/* Hands the errors over and returns their status; warnings are dropped. */
cvy_status api_end(api_call *c, cvy_error **error);

/* "NAME: NULL was given"; for arguments that must be there. */
cvy_status api_missing(const char *name, errors *e);

#endif
