/* Loops over the compute threads. The split is a pure function of n and the thread count, so results that
 * depend on it are the same from run to run. The one place that knows OpenMP. */
#ifndef BASE_PARALLEL_H
#define BASE_PARALLEL_H

#include <stdint.h>

/* Threads that parallel_for() uses; 0 restores the default (OMP_NUM_THREADS or the cores). */
void parallel_set_threads(int n);
int parallel_threads(void);

/* Calls fn(ctx, begin, end, thread) once per thread with a contiguous share of [0, n); shares are multiples
 * of `grain` except the last. Threads with an empty share are not called. Runs inline when nested or when one
 * share holds everything. */
typedef void parallel_fn(void *ctx, int64_t begin, int64_t end, int thread);
void parallel_for(int64_t n, int64_t grain, parallel_fn *fn, void *ctx);
/* The share of `thread` among `threads`, as parallel_for() splits it. */
void parallel_share(int64_t n, int64_t grain, int threads, int thread, int64_t *begin, int64_t *end);

/* Between the two calls a library with OpenMP loops of its own (oneDNN) keeps to the calling thread, and
 * makes ready for that. Only the calling thread is affected; `end` takes what `begin` gave. */
int parallel_alone_begin(void);
void parallel_alone_end(int begun);

#endif
