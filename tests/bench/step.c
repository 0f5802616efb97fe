/* Training throughput of one architecture file on synthetic data of its input's shape: forward, loss, backward and
 * an SGD step with momentum and weight decay, as tests/bench/train has PyTorch do it. Prints one line of JSON; with
 * BENCH_PROFILE set, the time of every operator behind it.
 *
 *   bench_step ARCHITECTURE.yaml [BATCH [STEPS [THREADS [SECONDS]]]]
 *   bench_step --peak [THREADS]
 *
 * Given SECONDS it ends after them, and after three steps at the least. With BENCH_WAIT set it says `ready` before
 * the timed steps and waits for a line, so that several processes can be timed at once. BENCH_WITHOUT names what to do
 * without: kernels ("winograd", "lanes"), those of some operators only ("lanes/pool"), "fusion", "absorption". */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "base/parallel.h"
#include "base/philox.h"
#include "config/model_file.h"
#include "config/params.h"
#include "config/substitute.h"
#include "convoy/loss.h"
#include "device/peak.h"
#include "device/buffer.h"
#include "graph/plan.h"
#include "plugin/host.h"
#include "train/optimize.h"

static const char usage[] = "usage: bench_step ARCHITECTURE.yaml [BATCH [STEPS [THREADS [SECONDS]]]]\n"
                            "       bench_step --peak [THREADS]\n";

static double seconds_of(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double now(void)
{
    return seconds_of(CLOCK_MONOTONIC);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* getrusage() would count what the parent had before exec, too. */
static long peak_resident_mb(void)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[128];
    long kb = 0;
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, "VmHWM:", 6) == 0) kb = strtol(line + 6, NULL, 10);
    if (f) fclose(f);
    return kb / 1024;
}

static int complain(errors *e)
{
    text t = {0};
    errors_text(e, false, &t);
    fputs(text_str(&t), stderr);
    return 2;
}

/* The multiply-add peak, the best of a second, in GFLOP/s. */
static int peak(int threads)
{
    parallel_set_threads(threads);
    machine m = machine_here();
    double best = 0;
    for (double start = now(); now() - start < 1;) {
        double one = 1e-9 * peak_measure(&m);
        if (one > best) best = one;
    }
    printf("%.1f\n", best);
    return 0;
}

/* What `input` and `classes` of the file say, or 3x32x32 and ten. */
static bool sample_of(const struct node *root, cvy_shape *sample, int64_t *classes, errors *e)
{
    const struct node *input = node_get(root, "input"), *n = node_get(root, "classes");
    *sample = (cvy_shape){3, {3, 32, 32}};
    *classes = 10;
    if (n && !node_int(n, classes, e)) return false;
    for (size_t i = 0; input && i < input->n && i < 3; i++)
        if (!node_int(input->items[i], &sample->dim[i], e)) return false;
    return true;
}

/* Whether `name` is one of the words of `list`; a word matches what it is the beginning of, up to a dot: pool is pool.bwd too. */
static bool has_word(const char *list, const char *name)
{
    for (const char *word = list; word && *word;) {
        const size_t n = strcspn(word, " ");
        if (n && strncmp(word, name, n) == 0 && (!name[n] || name[n] == '.' || name[n] == '/')) return true;
        word += n + strspn(word + n, " ");
    }
    return false;
}

static bool allows(void *without, const char *kernel, const char *operator)
{
    char both[128];
    snprintf(both, sizeof both, "%s/%s", kernel, operator);
    return !has_word(without, both);
}

static void wait_for_go(void)
{
    char line[16];
    if (!getenv("BENCH_WAIT")) return;
    puts("ready");
    fflush(stdout);
    if (!fgets(line, sizeof line, stdin)) exit(1);
}

int main(int argc, char **argv)
{
    if (argc < 2) return fputs(usage, stderr), 2;
    if (strcmp(argv[1], "--peak") == 0) return peak(argc > 2 ? atoi(argv[2]) : 2);
    int batch = argc > 2 ? atoi(argv[2]) : 128, steps = argc > 3 ? atoi(argv[3]) : 20;
    double limit = argc > 5 ? atof(argv[5]) : HUGE_VAL;
    if (batch < 1 || steps < 1 || !(limit >= 0)) return fputs(usage, stderr), 2;
    parallel_set_threads(argc > 4 ? atoi(argv[4]) : 2);
    long resident = peak_resident_mb();
    arena a = {0};
    errors e = {0};
    registry *r = registry_open(NULL, 0, &e);
    const struct place here = {0};
    const model_places nowhere = {.dir = "."};
    struct node *root = model_file_inline(&a, tree_scalar(&a, argv[1], true, &here), &nowhere, &e);
    if (root) root = substitute_params(&a, root, &e);
    cvy_shape sample;
    int64_t classes;
    if (!r || !root || !sample_of(root, &sample, &classes, &e)) return complain(&e);
    net *n = net_build(node_get(root, "layers"), &sample, (int)classes, r, &e);
    const cvy_descriptor *sgd = registry_find(r, CVY_OPTIMIZER, "sgd", NULL, &e);
    const cvy_descriptor *xent = registry_find(r, CVY_LOSS, "softmax_cross_entropy", NULL, &e);
    if (!n || !sgd || !xent) return complain(&e);
    const char *settings = "{lr: 0.01, momentum: 0.9, weight_decay: 5e-4}";
    void *config = params_make(&a, sgd, tree_read_text(&a, "sgd", settings, strlen(settings), &e), NULL, &e);
    void *loss_config = params_make(&a, xent, NULL, NULL, &e);
    state *s = state_new(n, 1, true, &e);
    cvy_child chosen = {sgd, config};
    optimizer updates;
    if (!s || !config || !loss_config || optimizer_init(&updates, &chosen, s, &e)) return complain(&e);
    machine m = machine_here();
    double start = now();
    char *without = getenv("BENCH_WITHOUT");
    plan_options o = {.batch = batch,
                      .train = true,
                      .profile = getenv("BENCH_PROFILE") != NULL,
                      .no_fusion = has_word(without, "fusion"),
                      .no_absorption = has_word(without, "absorption"),
                      .allows = without ? allows : NULL,
                      .allows_ctx = without};
    plan *p = plan_new(n, s, &m, &o, &e);
    if (!p) return complain(&e);
    double planned = now() - start;
    void *memory = buffer_new(plan_bytes(p), &e);
    int64_t numbers = batch * cvy_count(&sample);
    float *x = buffer_new((size_t)numbers * 4, &e);
    int32_t *labels = mem_array((size_t)batch, sizeof *labels);
    if (!memory || !x) return complain(&e);
    plan_bind(p, memory);
    philox_stream random = philox_open(philox_key_of(1, "bench", "x"), 0, 0);
    for (int64_t i = 0; i < numbers; i++) x[i] = (float)philox_normal(&random);
    for (int i = 0; i < batch; i++) labels[i] = (int32_t)philox_below(&random, (uint32_t)classes);

    double *seconds = mem_array((size_t)steps, sizeof *seconds), last = 0;
    host h = host_make(&e, CVY_ERR_RUN, NULL, 1, NULL);
    double timed = 0, used = 0, warm = 0;
    int done = 0;
    for (int i = -3; i < steps && (i < 3 || now() - timed < limit); i++) {
        if (i < 0 && warm > 2) continue; /* as long as it takes, once is enough */
        if (i == 0) {
            wait_for_go();
            timed = now();
            used = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
        }
        start = now();
        plan_forward(p, x, (uint64_t)(i + 3), 0, &e);
        cvy_shape shape;
        float *y = plan_output(p, &shape);
        cvy_loss_call l = {
            .host = &h.face, .shape = &shape, .y = y, .labels = labels, .gy = plan_output_gradient(p)};
        ((const cvy_loss *)xent->type)->evaluate(&l, loss_config);
        plan_backward(p, &e);
        optimizer_update(&updates, i + 4, 1, &e);
        if (i < 0)
            warm += now() - start;
        else
            seconds[done++] = now() - start;
        last = l.loss;
    }
    used = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - used;
    if (errors_status(&e)) return complain(&e);
    qsort(seconds, (size_t)done, sizeof *seconds, by_value);
    double median = seconds[done / 2], images = batch / median;
    text about = {0};
    machine_describe(&m, &about);
    json_writer w = {0};
    json_open(&w, '{');
    json_put_text(&w, "model", argv[1]);
    json_put_text(&w, "convoy", CONVOY_VERSION);
    json_put_text(&w, "machine", text_str(&about)); /* lines of key=value */
    json_put_int(&w, "threads", parallel_threads());
    json_put_int(&w, "batch", batch);
    json_put_int(&w, "params", n->parameters);
    json_put_int(&w, "macs", n->macs);
    json_put_double(&w, "img_s", round(images * 10) / 10);
    json_put_double(&w, "img_s_best", round(batch / seconds[0] * 10) / 10);
    json_put_double(&w, "cpu_ms", round(1e6 * used / batch / done) / 1e3); /* of one image */
    json_put_int(&w, "steps", done);
    json_put_double(&w, "gflops", round(6e-8 * (double)n->macs * images) / 10);
    json_put_int(&w, "rss_MB", peak_resident_mb());
    json_put_int(&w, "rss_start_MB", resident);
    json_put_int(&w, "plan_MB", (int64_t)(plan_bytes(p) >> 20));
    json_put_double(&w, "plan_s", round(planned * 1e3) / 1e3);
    json_put_double(&w, "loss", round(last * 1e4) / 1e4);
    json_close(&w, '}');
    puts(text_str(&w.out));
    if (o.profile) {
        for (size_t i = 0; i < plan_steps(p); i++) {
            plan_step_info info = plan_step(p, i);
            printf("%7.3f ms %6.1f GF/s %6.1f GB/s %-28s %-18s %-10s %-22s %s\n",
                   1e3 * info.seconds / (double)info.runs,
                   2e-9 * (double)info.macs * (double)info.runs / info.seconds,
                   1e-9 * (double)info.bytes * (double)info.runs / info.seconds, info.path, info.op,
                   info.kernel, info.layouts, info.fused);
        }
        printf("pack %.3f ms\n", 1e3 * plan_pack_seconds(p) / (done + 3));
    }
    return 0;
}
