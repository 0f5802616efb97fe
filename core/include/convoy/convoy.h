/* The library, for programs of one's own: opens an experiment, builds its network, trains it step by step, reads and
 * writes its tensors. (Plugins include convoy/layer.h and its neighbours instead, and link nothing.)
 *
 * Errors. A function that can fail takes a `cvy_error **error` and writes it at every call: NULL after success, after a
 * failure an error with all messages, which the caller frees. Pass NULL when nobody wants to know. Such a function
 * returns a cvy_status, or a pointer that is NULL after a failure, and says so when a handle or an array that it needs is
 * NULL; the others want handles that are not NULL. Nothing is printed, and no call ends the process; except that, like most
 * programs, the library aborts when not even small pieces of memory can be had. What is large (tensors, batches) is asked
 * for with care, and its absence is a CVY_ERR_RESOURCE.
 *
 * Ownership. What a function named _open or _build gives is freed by the function named _free or _close, which takes NULL
 * too. Handles must not outlive what they were made from: sessions and models go before their experiment. Pointers in
 * what is returned belong to the library and live as long as the handle, unless it is said otherwise. Arrays that are
 * given are copied before the call returns.
 *
 * Threads. An experiment, once open, may be used by any number of threads at once. A model or session is used by one
 * thread at a time; different ones at once, those of one experiment too. The computing inside a call is spread over
 * cvy_threads() threads of the library's own.
 *
 * Numbers. Tensors are dense arrays of float, row-major: images (N, C, H, W). Parameters count elements, MACs are
 * multiply-accumulates of one sample's forward pass. Equal experiments give equal bits on one machine with one number of
 * threads, and the same bits as `convoy run`. */
#ifndef CONVOY_CONVOY_H
#define CONVOY_CONVOY_H

#include "convoy/plugin.h" /* cvy_shape; cvy_status */

#ifdef __cplusplus
extern "C" {
#endif

#define CVY_API __attribute__((visibility("default")))

/* "0.1.0" */
CVY_API const char *cvy_version(void);
/* The whole command line tool; returns its exit code. It prints, installs signal handlers and may end the process. */
CVY_API int cvy_main(int argc, char **argv);

/* Threads that computing is spread over: at first OMP_NUM_THREADS, or all cores. For the whole process, and part of what
 * decides bits: to be set before the first model or session is made. Those made under another number refuse to compute.
 * n 0 restores the default. */
CVY_API int cvy_threads(void);
CVY_API void cvy_set_threads(int n);

/* ---- errors ---- */

typedef struct cvy_error cvy_error;

typedef struct cvy_message {
    const char *what; /* "layer "stem" (conv2d): kernel: 0 is below 1" */
    const char *hint; /* what to do about it; NULL when there is nothing to say */
    const char *file; /* where: a file, an override ("--set train.epochs=x"), or NULL */
    int line, column; /* in it, from 1; 0: unknown */
    int64_t offset;   /* in a binary file, in bytes; -1: none */
} cvy_message;

/* Of the first message; of NULL it is CVY_OK. CVY_ERR_CONFIG: a file, a value, a name or an argument is wrong.
 * CVY_ERR_PLUGIN: a plugin is at fault. CVY_ERR_RESOURCE: memory or storage. CVY_ERR_RUN: training itself failed. */
CVY_API cvy_status cvy_error_status(const cvy_error *error);
/* All messages as the command line prints them, with their lines and hints, each ending in a newline. Of NULL: "". */
CVY_API const char *cvy_error_text(const cvy_error *error);
CVY_API size_t cvy_error_count(const cvy_error *error);
/* Message i of cvy_error_count(); all empty beyond. */
CVY_API cvy_message cvy_error_message(const cvy_error *error, size_t i);
CVY_API void cvy_error_free(cvy_error *error);

/* ---- experiments ---- */

typedef struct cvy_experiment cvy_experiment;

typedef enum cvy_part { CVY_PART_TRAIN, CVY_PART_VALIDATION, CVY_PART_TEST, CVY_PARTS } cvy_part;

typedef struct cvy_experiment_info {
    const char *name;
    uint64_t seed;
    cvy_shape input; /* of one sample as the network sees it, without batch; of several sizes the largest */
    int32_t classes; /* of the dataset */
    int64_t samples[CVY_PARTS];                  /* by cvy_part; a part may be empty */
    int64_t epochs, batch_size, steps_per_epoch; /* the last batch of an epoch may be smaller */
    int32_t targets;                             /* numbers to predict for each sample; 0: its class */
} cvy_experiment_info;

/* Reads an experiment's file, with overrides as on the command line ("train.epochs=5"), loads its plugins, opens its
 * dataset and builds its network: after that nothing about it can be wrong. Plugins and model files are found as `convoy
 * run` finds them. `sweep:` and `repeats:` are left aside: choose by overrides ("seed=2"). */
CVY_API cvy_experiment *cvy_experiment_open(const char *file, const char *const *overrides,
                                            size_t n_overrides, cvy_error **error);
/* The network alone, which needs no dataset where the model file has an `input:`: a model's name ("cifar_resnet20"), its
 * file, or an experiment's file. No sessions; `classes` is then 10, and the training's numbers are 0. */
CVY_API cvy_experiment *cvy_experiment_open_model(const char *name, const char *const *overrides,
                                                  size_t n_overrides, cvy_error **error);
CVY_API void cvy_experiment_free(cvy_experiment *x);

CVY_API cvy_experiment_info cvy_experiment_describe(const cvy_experiment *x);
/* NULL when the dataset names no classes, or has none of that number. */
CVY_API const char *cvy_experiment_class_name(const cvy_experiment *x, int32_t label);
/* What was found worth a warning, as text like cvy_error_text(); "" when nothing was. */
CVY_API const char *cvy_experiment_warnings(const cvy_experiment *x);
/* Sample i of a part as the network sees it: of the training part as in the first epoch, augmented. `image` gets the
 * elements of `input`, *label the class; either may be NULL. Refused where samples reach the network in several sizes. */
CVY_API cvy_status cvy_experiment_read(const cvy_experiment *x, cvy_part part, int64_t i, float *image,
                                       int32_t *label, cvy_error **error);

/* ---- models ---- */

typedef struct cvy_model cvy_model;

typedef struct cvy_model_info {
    cvy_shape input, output; /* of one sample, without batch */
    int64_t parameters;      /* elements of all weights */
    int64_t macs;            /* of one sample's forward pass */
    size_t tensors;          /* weights first, then buffers */
} cvy_model_info;

typedef struct cvy_tensor {
    const char *name;      /* "stage1.block0.conv1.weight", as in checkpoints */
    cvy_shape shape;       /* as in checkpoints */
    int64_t count;         /* elements */
    int buffer;            /* 1: kept by a layer (running statistics), not trained; 0: a weight */
    int frozen;            /* 1: by `init.freeze`: steps leave it as it is */
    const float *data;     /* the present values: a step changes them in place. Written by cvy_model_set() */
    const float *gradient; /* of the last step, in a session's model; NULL: has none */
} cvy_tensor;

/* The network with its weights as a run of this experiment starts with: the same seed, the same bits. */
CVY_API cvy_model *cvy_model_build(const cvy_experiment *x, cvy_error **error);
CVY_API void cvy_model_free(cvy_model *m); /* not for a session's model */

CVY_API cvy_model_info cvy_model_describe(const cvy_model *m);
/* Evaluation mode: stored batch statistics, no dropout, no augmentation. `images` (n, input...), `out` (n, output...).
 * The first call makes ready for n samples (256 at once at most), and so does each that comes with another n; calls
 * with the same n allocate nothing. */
CVY_API cvy_status cvy_model_forward(cvy_model *m, const float *images, int64_t n, float *out,
                                     cvy_error **error);

/* Tensor i of `tensors`, or the one of that name, into *t; 0 when there is none. */
CVY_API int cvy_model_tensor(const cvy_model *m, size_t i, cvy_tensor *t);
CVY_API int cvy_model_find(const cvy_model *m, const char *name, cvy_tensor *t);
/* Overwrites a tensor; `count` must be its own. */
CVY_API cvy_status cvy_model_set(cvy_model *m, const char *name, const float *values, int64_t count,
                                 cvy_error **error);
/* All tensors as a safetensors file, written under a temporary name and renamed when it is whole. */
CVY_API cvy_status cvy_model_save(const cvy_model *m, const char *file, cvy_error **error);
/* All tensors from such a file, or from a run's checkpoints/best.safetensors or last.safetensors. A tensor that is
 * missing or of another shape is an error, and nothing is changed then; what else the file holds is left aside. */
CVY_API cvy_status cvy_model_load(cvy_model *m, const char *file, cvy_error **error);

/* ---- sessions: training, step by step ---- */

typedef struct cvy_session cvy_session;

typedef struct cvy_batch {
    int64_t n;             /* samples */
    const float *images;   /* (n, input...) */
    const int32_t *labels; /* (n), each from 0 to classes - 1; NULL only where the class is not the target */
    const float *targets;  /* (n, targets); NULL only where the dataset has none */
} cvy_batch;

typedef struct cvy_step {
    int64_t step, epoch; /* of this step, from 1 */
    int64_t samples;     /* in its batch */
    double loss;         /* mean over the batch, before the update */
    double lr;           /* the learning rate of the update; 0 when the optimizer has none */
} cvy_step;

typedef struct cvy_metrics {
    int64_t samples;
    double loss;                    /* mean over the samples */
    double accuracy, top5_accuracy; /* shares from 0 to 1; NaN where there is no class to be right about */
} cvy_metrics;

/* At the experiment's beginning. After N steps of epochs * steps_per_epoch, the tensors hold the bits of `convoy run`
 * after N steps. */
CVY_API cvy_session *cvy_session_open(const cvy_experiment *x, cvy_error **error);
CVY_API void cvy_session_close(cvy_session *s);

/* The model that is trained: for reading, changing, saving, loading its tensors, and for forward passes, between steps.
 * The session's own. The optimizer's state stays as it is whatever is written into the tensors. */
CVY_API cvy_model *cvy_session_model(cvy_session *s);
/* 1 when all epochs are trained: then there is no further step. */
CVY_API int cvy_session_done(const cvy_session *s);
/* One step on the experiment's next batch: forward, loss, backward, update. `step` may be NULL. After a CVY_ERR_RUN (the
 * loss is no number, a plugin failed) training cannot go on; tensors can still be read. */
CVY_API cvy_status cvy_session_step(cvy_session *s, cvy_step *step, cvy_error **error);
/* The same on a batch of the caller's, in the place of the experiment's next one, of any size: order, schedule and epochs
 * go on as if that one had been taken. */
CVY_API cvy_status cvy_session_step_on(cvy_session *s, const cvy_batch *b, cvy_step *step, cvy_error **error);
/* The batch that cvy_session_step() would take, read and augmented; not taken by this. Lives until the next call on this
 * session. Refused where samples reach the network in several sizes. */
CVY_API cvy_status cvy_session_batch(cvy_session *s, cvy_batch *b, cvy_error **error);
/* The present weights in evaluation mode on the whole validation or test part. Changes nothing of the training. */
CVY_API cvy_status cvy_session_evaluate(cvy_session *s, cvy_part part, cvy_metrics *m, cvy_error **error);

#ifdef __cplusplus
}
#endif
#endif
