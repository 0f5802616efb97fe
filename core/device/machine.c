/* Owns what is known of the CPU: instruction set, caches, library version; must not time anything, since
 * whatever is chosen from this has to be chosen again on a resume. */
#include "device/machine.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/parallel.h"
#ifdef CONVOY_ONEDNN
#include <dnnl.h>
#endif

static const char *const isa_names[] = {[ISA_BASE] = "base", [ISA_AVX2] = "avx2", [ISA_AVX512] = "avx512"};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static machine_isa found_isa;
static long found_l2;

static void look(void)
{
    found_isa = ISA_BASE;
#ifdef LANE_X86
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        found_isa = ISA_AVX2;
        if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
            __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
            found_isa = ISA_AVX512;
    }
#endif
    const char *asked = getenv("CONVOY_ISA");
    for (machine_isa i = ISA_BASE; asked && i < found_isa; i++)
        if (strcmp(asked, isa_names[i]) == 0) found_isa = i;
    found_l2 = 0;
#ifdef _SC_LEVEL2_CACHE_SIZE
    found_l2 = sysconf(_SC_LEVEL2_CACHE_SIZE);
#endif
    if (found_l2 < 128 << 10) found_l2 = 512 << 10; /* not told, or told nonsense: what small cores have */
}

machine machine_here(void)
{
    pthread_once(&once, look);
    return (machine){
        .isa = found_isa,
        .threads = parallel_threads(),
        .block = found_isa == ISA_AVX512 ? 16 : 8,
        .l2_bytes = found_l2,
    };
}

const char *machine_isa_name(machine_isa isa)
{
    return isa_names[isa];
}

/* /proc/cpuinfo's "model name" (x86) or nothing. */
static void cpu_model(text *out)
{
    FILE *f = fopen("/proc/cpuinfo", "r");
    if (!f) return;
    char line[512];
    while (fgets(line, sizeof line, f)) {
        if (strncmp(line, "model name", 10) != 0) continue;
        char *value = strchr(line, ':');
        if (!value) break;
        value += 1 + strspn(value + 1, " \t");
        value[strcspn(value, "\n")] = 0;
        text_safe(out, value, 200);
        break;
    }
    fclose(f);
}

void machine_describe(const machine *m, text *out)
{
    text model = {0};
    cpu_model(&model);
    text_printf(out, "cpu=%s\n", model.n ? model.s : "unknown");
    text_free(&model);
    text_printf(out, "isa=%s\nl2=%ld\nthreads=%d\n", machine_isa_name(m->isa), m->l2_bytes, m->threads);
#ifdef CONVOY_ONEDNN
    const dnnl_version_t *v = dnnl_version();
    text_printf(out, "onednn=%d.%d.%d %s\n", v->major, v->minor, v->patch, v->hash ? v->hash : "");
#else
    text_printf(out, "onednn=none\n");
#endif
}
