/* Training throughput of one architecture file on synthetic 32x32x3 data: forward, loss, backward and an SGD step with
 * momentum and weight decay, as tests/bench/torch_train.py does it in PyTorch. Prints one line of JSON.
 * usage: bench_step ARCHITECTURE.yaml [BATCH [STEPS [THREADS]]] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/parallel.h"
#include "base/philox.h"
#include "config/params.h"
#include "convoy/loss.h"
#include "convoy/optimizer.h"
#include "device/buffer.h"
#include "graph/plan.h"
#include "plugin/host.h"

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static int complain(errors *e)
{
    text t = {0};
    errors_text(e, false, &t);
    fputs(text_str(&t), stderr);
    return 2;
}

int main(int argc, char **argv)
{
    if (argc < 2) return fputs("usage: bench_step ARCHITECTURE.yaml [BATCH [STEPS [THREADS]]]\n", stderr), 2;
    int batch = argc > 2 ? atoi(argv[2]) : 128, steps = argc > 3 ? atoi(argv[3]) : 20;
    parallel_set_threads(argc > 4 ? atoi(argv[4]) : 2);
    arena a = {0};
    errors e = {0};
    registry *r = registry_open(NULL, 0, &e);
    const struct node *root = tree_read_file(&a, argv[1], &e);
    if (!r || !root) return complain(&e);
    cvy_shape sample = {3, {3, 32, 32}};
    net *n = net_build(node_get(root, "layers"), &sample, 10, r, &e);
    const cvy_descriptor *sgd = registry_find(r, CVY_OPTIMIZER, "sgd", NULL, &e);
    const cvy_descriptor *xent = registry_find(r, CVY_LOSS, "softmax_cross_entropy", NULL, &e);
    if (!n || !sgd || !xent) return complain(&e);
    const char *settings = "{lr: 0.01, momentum: 0.9, weight_decay: 5e-4}";
    void *config = params_make(&a, sgd, tree_read_text(&a, "sgd", settings, strlen(settings), &e), NULL, &e);
    void *loss_config = params_make(&a, xent, NULL, NULL, &e);
    state *s = state_new(n, 1, true, &e);
    machine m = machine_here();
    double start = now();
    plan_options o = {.batch = batch, .train = true, .profile = getenv("BENCH_PROFILE") != NULL};
    plan *p = s ? plan_new(n, s, &m, &o, &e) : NULL;
    if (!p || !config || !loss_config) return complain(&e);
    double planned = now() - start;
    void *memory = buffer_new(plan_bytes(p), &e);
    float *momentum = buffer_new((size_t)n->weight_floats * 4, &e);
    float *x = buffer_new((size_t)batch * 3072 * 4, &e);
    int32_t *labels = mem_array((size_t)batch, sizeof *labels);
    if (!memory || !momentum || !x) return complain(&e);
    plan_bind(p, memory);
    philox_stream random = philox_open(philox_key_of(1, "bench", "x"), 0, 0);
    for (int i = 0; i < batch * 3072; i++) x[i] = (float)philox_normal(&random);
    for (int i = 0; i < batch; i++) labels[i] = (int32_t)philox_below(&random, 10);

    double *seconds = mem_array((size_t)steps, sizeof *seconds), last = 0;
    host h = host_make(&e, CVY_ERR_RUN, NULL, 1, NULL);
    for (int i = -3; i < steps; i++) {
        start = now();
        plan_forward(p, x, (uint64_t)(i + 3), 0, &e);
        cvy_shape shape;
        float *y = plan_output(p, &shape);
        cvy_loss_call l = {
            .host = &h.face, .shape = &shape, .y = y, .labels = labels, .gy = plan_output_gradient(p)};
        ((const cvy_loss *)xent->type)->evaluate(&l, loss_config);
        plan_backward(p, &e);
        float *slots[] = {momentum};
        cvy_update u = {.host = &h.face,
                        .n = n->weight_floats,
                        .step = i + 4,
                        .lr_factor = 1,
                        .w = s->weights,
                        .g = s->gradients,
                        .slots = slots};
        ((const cvy_optimizer *)sgd->type)->update(&u, config);
        s->version++;
        if (i >= 0) seconds[i] = now() - start;
        last = l.loss;
    }
    if (errors_status(&e)) return complain(&e);
    qsort(seconds, (size_t)steps, sizeof *seconds, by_value);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double median = seconds[steps / 2], images = batch / median;
    printf("{\"model\": \"%s\", \"threads\": %d, \"batch\": %d, \"params\": %lld, \"MMACs\": %.2f, \"img_s\": %.1f, "
           "\"img_s_best\": %.1f, \"gflops\": %.1f, \"rss_MB\": %ld, \"plan_MB\": %zu, \"plan_s\": %.3f, \"loss\": %.4f}\n",
           argv[1], parallel_threads(), batch, (long long)n->parameters, (double)n->macs / 1e6, images,
           batch / seconds[0], 6e-9 * (double)n->macs * images, usage.ru_maxrss / 1024, plan_bytes(p) >> 20, planned, last);
    if (o.profile) {
        for (size_t i = 0; i < plan_steps(p); i++) {
            plan_step_info info = plan_step(p, i);
            printf("%7.3f ms %6.1f GF/s %6.1f GB/s %-28s %-18s %-10s %-22s %s\n", 1e3 * info.seconds / (double)info.runs,
                   2e-9 * (double)info.macs * (double)info.runs / info.seconds,
                   1e-9 * (double)info.bytes * (double)info.runs / info.seconds, info.path, info.op, info.kernel,
                   info.layouts, info.fused);
        }
        printf("pack %.3f ms\n", 1e3 * plan_pack_seconds(p) / (steps + 3));
    }
    return 0;
}
