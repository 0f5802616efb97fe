/* Owns the compute threads and how a loop is split over them; must not know what the loops do. The one place
 * that knows OpenMP. */
#include "base/parallel.h"

#include <omp.h>
#include <stdatomic.h>
#include <stdbool.h>

static atomic_int chosen;    /* 0: the default */
static atomic_int otherwise; /* the default, as found before anybody changed OpenMP's own setting */

static int default_threads(void)
{
    int n = atomic_load(&otherwise);
    if (!n) {
        int found = omp_get_max_threads();
        n = atomic_compare_exchange_strong(&otherwise, &n, found) ? found : n;
    }
    return n;
}

void parallel_set_threads(int n)
{
    int restored = default_threads();
    atomic_store(&chosen, n > 0 ? n : 0);
    /* Libraries on the same OpenMP (oneDNN) ask it and not us. */
    omp_set_num_threads(n > 0 ? n : restored);
}

int parallel_threads(void)
{
    int n = atomic_load(&chosen);
    return n ? n : default_threads();
}

void parallel_share(int64_t n, int64_t grain, int threads, int thread, int64_t *begin, int64_t *end)
{
    if (n < 0) n = 0;
    if (grain < 1) grain = 1;
    int64_t units = n / grain + (n % grain != 0), each = units / threads, extra = units % threads;
    int64_t first = thread * each + (thread < extra ? thread : extra);
    int64_t last = first + each + (thread < extra);
    /* Only the last unit may be short, and only there could the product pass n. */
    *begin = first < units ? first * grain : n;
    *end = last < units ? last * grain : n;
}

static void run_share(int64_t n, int64_t grain, int threads, int share, parallel_fn *fn, void *ctx)
{
    int64_t begin, end;
    parallel_share(n, grain, threads, share, &begin, &end);
    if (begin < end) fn(ctx, begin, end, share);
}

void parallel_for(int64_t n, int64_t grain, parallel_fn *fn, void *ctx)
{
    if (n <= 0) return;
    int threads = parallel_threads();
    if (threads == 1 || n <= grain || omp_in_parallel()) {
        fn(ctx, 0, n, 0);
        return;
    }
    /* Always the whole team, also for fewer shares: libgomp ends surplus threads and starts them anew later,
     * which costs far more than waking them. */
#pragma omp parallel num_threads(threads) default(none) shared(n, grain, threads, fn, ctx)
    {
        /* The team may be smaller than asked for; the shares, and with them the results, are not. */
        for (int share = omp_get_thread_num(), team = omp_get_num_threads(); share < threads; share += team)
            run_share(n, grain, threads, share, fn, ctx);
    }
}

int parallel_alone_begin(void)
{
    default_threads(); /* must not be found to be one */
    int begun = omp_get_max_threads();
    omp_set_num_threads(1);
    return begun;
}

void parallel_alone_end(int begun)
{
    omp_set_num_threads(begun);
}
