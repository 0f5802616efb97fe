/* Owns a loop that does nothing but multiply and add, and its time. Must not know kernels. */
#include "device/peak.h"

#include <time.h>

#include "base/memory.h"
#include "base/parallel.h"
#ifdef LANE_X86
#include <immintrin.h>
#endif

/* Sums enough not to wait for each other: 12, of `lanes` numbers. */
#define PEAK_SUMS  12
#define PEAK_LOOP  20000
#define PEAK_TIMES 100 /* of each thread */

enum { PEAK_THREADS = 1024 };

typedef struct peak_job {
    machine_isa isa;
    double best[PEAK_THREADS]; /* operations per second of each thread */
    float sink[64];            /* so that the sums are wanted */
} peak_job;

#define PEAK_ALL(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11)

#ifdef LANE_X86
#define PEAK_START_512(i) __m512 s##i = _mm512_set1_ps(start + (float)i);
#define PEAK_STEP_512(i)  s##i = _mm512_fmadd_ps(s##i, factor, term);
#define PEAK_SUM_512(i)   all = _mm512_add_ps(all, s##i);

__attribute__((target("avx512f"))) static float peak_avx512(float start, int64_t n)
{
    const __m512 factor = _mm512_set1_ps(0.5f), term = _mm512_set1_ps(1.0f);
    __m512 all = _mm512_setzero_ps();
    PEAK_ALL(PEAK_START_512)
    for (int64_t k = 0; k < n; k++) {
        PEAK_ALL(PEAK_STEP_512)
    }
    PEAK_ALL(PEAK_SUM_512)
    return _mm512_cvtss_f32(all);
}

#define PEAK_START_256(i) __m256 s##i = _mm256_set1_ps(start + (float)i);
#define PEAK_STEP_256(i)  s##i = _mm256_fmadd_ps(s##i, factor, term);
#define PEAK_SUM_256(i)   all = _mm256_add_ps(all, s##i);

__attribute__((target("avx2,fma"))) static float peak_avx2(float start, int64_t n)
{
    const __m256 factor = _mm256_set1_ps(0.5f), term = _mm256_set1_ps(1.0f);
    __m256 all = _mm256_setzero_ps();
    PEAK_ALL(PEAK_START_256)
    for (int64_t k = 0; k < n; k++) {
        PEAK_ALL(PEAK_STEP_256)
    }
    PEAK_ALL(PEAK_SUM_256)
    return _mm256_cvtss_f32(all);
}
#endif

typedef float peak_four __attribute__((vector_size(16)));

#define PEAK_START_4(i) peak_four s##i = {start, start + (float)i, start, start};
#define PEAK_STEP_4(i)  s##i = s##i * factor + term;
#define PEAK_SUM_4(i)   all += s##i;

static float peak_base(float start, int64_t n)
{
    const peak_four factor = {0.5f, 0.5f, 0.5f, 0.5f}, term = {1, 1, 1, 1};
    peak_four all = {0};
    PEAK_ALL(PEAK_START_4)
    for (int64_t k = 0; k < n; k++) {
        PEAK_ALL(PEAK_STEP_4)
    }
    PEAK_ALL(PEAK_SUM_4)
    return all[0];
}

static int peak_lanes(machine_isa isa)
{
#ifdef LANE_X86
    if (isa == ISA_AVX512) return 16;
    if (isa == ISA_AVX2) return 8;
#endif
    (void)isa;
    return 4;
}

static float peak_loop(machine_isa isa, float start, int64_t n)
{
#ifdef LANE_X86
    if (isa == ISA_AVX512) return peak_avx512(start, n);
    if (isa == ISA_AVX2) return peak_avx2(start, n);
#endif
    (void)isa;
    return peak_base(start, n);
}

/* The thread's own time: what else the machine does meanwhile is none of its speed. */
static double peak_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void peak_share(void *ctx, int64_t begin, int64_t end, int thread)
{
    peak_job *j = ctx;
    const double work = 2.0 * PEAK_SUMS * peak_lanes(j->isa) * (double)PEAK_LOOP;
    float sum = 0; /* each goes on from the one before, or one would stand for all */
    for (int64_t i = begin; i < end; i++) {
        const double start = peak_now();
        sum = peak_loop(j->isa, sum, PEAK_LOOP);
        const double seconds = peak_now() - start;
        double *best = &j->best[thread % PEAK_THREADS];
        if (seconds > 0 && work / seconds > *best) *best = work / seconds;
    }
    j->sink[thread % 64] = sum;
}

double peak_measure(const machine *m)
{
    peak_job *j = mem_alloc(sizeof *j);
    const int threads = m->threads < 1 ? 1 : m->threads > PEAK_THREADS ? PEAK_THREADS : m->threads;
    double all = 0;
    j->isa = m->isa;
    parallel_for((int64_t)PEAK_TIMES * threads, 1, peak_share, j);
    for (int t = 0; t < threads; t++) all += j->best[t];
    mem_free(j);
    return all;
}
