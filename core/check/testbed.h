/* One layer that computes itself, called the way a network calls it but with every pointer watched: fresh guarded
 * arrays for each call, workspaces full of NaN, inputs compared afterwards. Masters of all tensors are kept as double,
 * whichever of the twins is called. Knows no graph. */
#ifndef CHECK_TESTBED_H
#define CHECK_TESTBED_H

#include "check/guarded.h"
#include "check/specimen.h"
#include "check/verdict.h"
#include "convoy/layer.h"

typedef struct testbed_tensor {
    const char *name; /* "x", "x2", "weight", "running_mean", "y" */
    cvy_shape shape;
    int64_t count;
    double *v;
    double *grad;  /* of inputs and weights; of y: the gradient given to backward */
    bool unwanted; /* its gradient is NULL */
    cvy_init init;
} testbed_tensor;

/* How host->parallel_for() splits in the testbed. */
typedef enum testbed_split {
    SPLIT_WHOLE,    /* one share */
    SPLIT_FORWARD,  /* three uneven shares, first to last */
    SPLIT_BACKWARD, /* the same, last to first */
    SPLIT_THREADS   /* the same, at once in three threads */
} testbed_split;

/* What a call may do wrong, apart from wrong numbers. */
typedef enum testbed_breach_kind {
    BREACH_BOUNDS,   /* wrote outside an array */
    BREACH_CONSTANT, /* changed what it may only read */
    BREACH_UNWRITTEN,
    BREACH_NUMBER, /* gave NaN or infinity */
    BREACH_REFUSED /* returned a failure */
} testbed_breach_kind;

typedef struct testbed_breach {
    testbed_breach_kind kind;
    char what[400];
} testbed_breach;

#define TESTBED_BREACHES 8

typedef struct testbed {
    arena memory;
    const cvy_descriptor *d;
    const cvy_layer *layer;
    const void *config;
    errors e;
    host host;
    bool train, in_place;
    testbed_split split;
    guarded_fill fill; /* of outputs before a call */
    uint32_t poison;   /* CVY_READS_X, CVY_READS_Y: backward gets NaN for it where it did not declare it */
    int n_in, n_weights, n_buffers;
    size_t cap_weights, cap_buffers;
    testbed_tensor *x, *weights, *buffers, y;
    cvy_shape *in;
    uint32_t traits;
    int64_t macs, saved_bytes, scratch_bytes;
    guarded saved;
    uint32_t step; /* of the random numbers */
    const char
        *lapse; /* what infer() declared that cannot be, or that it failed without saying why; NULL: none */
    testbed_breach breaches[TESTBED_BREACHES];
    int n_breaches;
} testbed;

/* `twin`: the double one. The specimen must have a configuration. */
void testbed_open(testbed *b, const specimen *s, const specimen_config *c, bool twin);
void testbed_close(testbed *b);
/* Infers and allocates; false when the layer refuses, with the reason in b->e. */
bool testbed_infer(testbed *b, const cvy_shape *in, int n_in);
/* Fills inputs, weights and the output's gradient with numbers of `id`, buffers near where they start. `positive`:
 * inputs above 0, for layers that need it. */
void testbed_draw(testbed *b, uint32_t id, bool positive);
/* Buffers as declared at first. */
void testbed_reset(testbed *b);
/* The masters of another testbed of the same layer and shapes. */
void testbed_copy(testbed *to, const testbed *from);

/* Both take their results into the masters; false when the layer refused. */
bool testbed_forward(testbed *b);
bool testbed_backward(testbed *b);

/* Compares all that two testbeds of one layer and shape came to: y and buffers, and the gradients. Tells the first
 * difference above `tolerance` times the tensor's largest number (0: equal) as `what`; whether there was none. */
bool testbed_same(const testbed *found, const testbed *expected, bool gradients, double tolerance, verdict *v,
                  const char *what);

/* Tells the breaches of these kinds (bits 1 << kind) and forgets all. */
void testbed_report(testbed *b, verdict *v, unsigned kinds);
#define TESTBED_ALL 0x1fu

#endif
