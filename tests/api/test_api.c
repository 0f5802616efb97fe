/* Tests libconvoy through its public header alone, as a user's program sees it: the same bits as `convoy run`, errors as
 * values, several threads at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "convoy/convoy.h"

#define THREADS "2"

/* Everything that could tell steps apart: augmentation, dropout, running statistics, momentum, a schedule, and a last
 * batch that is smaller. */
#define EXPERIMENT                                                                                        \
    "seed: 7\n"                                                                                           \
    "dataset: {type: shapes, train: 150, test: 40, size: 12, validation: 30,\n"                           \
    "          augment: [{random_crop: {padding: 2}}, horizontal_flip, normalize]}\n"                     \
    "model:\n"                                                                                            \
    "  - conv2d: {channels: 8, kernel: 3, padding: 1, bias: false, name: stem}\n"                         \
    "  - batch_norm\n"                                                                                    \
    "  - relu\n"                                                                                          \
    "  - residual: {channels: 8, blocks: 1}\n"                                                            \
    "  - dropout: {p: 0.2}\n"                                                                             \
    "  - global_avg_pool\n"                                                                               \
    "  - linear: {units: classes, name: head}\n"                                                          \
    "train: {epochs: 3, batch_size: 32, optimizer: {type: sgd, lr: 0.05, momentum: 0.9}, select: last,\n" \
    "        lr_schedule: {type: cosine, warmup_epochs: 1}}\n"

enum { STEPS_PER_EPOCH = 4, STEPS = 3 * STEPS_PER_EPOCH }; /* 120 = 3 * 32 + 24 */

/* ---- around the tests ---- */

static char folder[] = "/tmp/convoy-api-XXXXXX";
static char paths[8][256]; /* of in(), used in turn */

static const char *in(const char *name)
{
    static size_t next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void write_file(const char *name, const char *content)
{
    FILE *f = fopen(in(name), "w");
    assert_non_null(f);
    assert_true(fputs(content, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void shell(const char *command)
{
    char *all = NULL;
    assert_true(asprintf(&all, "cd %s && { %s; } >log 2>&1", folder, command) > 0);
    int code = system(all);
    if (code) {
        char *show = NULL;
        assert_true(asprintf(&show, "cat %s/log", folder) > 0);
        if (system(show)) print_error("no log\n");
        free(show);
        fail_msg("%s: %d", command, code);
    }
    free(all);
}

static int set_up(void **unused)
{
    (void)unused;
    setenv("XDG_CACHE_HOME", BINARY_DIR "/tests/cache", 1); /* nothing of the user's is seen or written */
    setenv("XDG_DATA_HOME", BINARY_DIR "/tests/data", 1);
    unsetenv("CONVOY_PLUGIN_PATH"); /* plugins are found beside the library */
    unsetenv("CONVOY_RESULTS");
    if (!mkdtemp(folder)) return -1;
    cvy_set_threads(atoi(THREADS));
    write_file("experiment.yaml", EXPERIMENT);
    return 0;
}

static int tear_down(void **unused)
{
    (void)unused;
    shell("rm -rf -- *");
    return rmdir(folder);
}

/* The call before has failed so, saying that. Frees the error. */
static void failed(cvy_error *error, cvy_status status, const char *part)
{
    assert_non_null(error);
    if (cvy_error_status(error) != status || !strstr(cvy_error_text(error), part))
        fail_msg("status %d, expected %d with \"%s\":\n%s", (int)cvy_error_status(error), (int)status, part,
                 cvy_error_text(error));
    cvy_error_free(error);
}

static void good(cvy_error *error)
{
    if (error) fail_msg("%s", cvy_error_text(error));
}

static cvy_experiment *open_experiment(void)
{
    cvy_error *error;
    cvy_experiment *x = cvy_experiment_open(in("experiment.yaml"), NULL, 0, &error);
    good(error);
    assert_non_null(x);
    return x;
}

static cvy_session *open_session(const cvy_experiment *x)
{
    cvy_error *error;
    cvy_session *s = cvy_session_open(x, &error);
    good(error);
    assert_non_null(s);
    return s;
}

static cvy_model *build(const cvy_experiment *x)
{
    cvy_error *error;
    cvy_model *m = cvy_model_build(x, &error);
    good(error);
    assert_non_null(m);
    return m;
}

static void steps(cvy_session *s, int n)
{
    cvy_error *error;
    for (int i = 0; i < n; i++) {
        cvy_session_step(s, NULL, &error);
        good(error);
    }
}

static void same_tensors(const cvy_model *a, const cvy_model *b)
{
    cvy_tensor s, t;
    size_t n = cvy_model_describe(a).tensors;
    assert_int_equal(n, cvy_model_describe(b).tensors);
    assert_true(n > 8);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(cvy_model_tensor(a, i, &s), 1);
        assert_int_equal(cvy_model_tensor(b, i, &t), 1);
        assert_string_equal(s.name, t.name);
        assert_int_equal(s.count, t.count);
        if (memcmp(s.data, t.data, (size_t)s.count * sizeof *s.data)) fail_msg("%s differs", s.name);
    }
}

static bool differ(const cvy_model *a, const cvy_model *b)
{
    cvy_tensor s, t;
    bool found = false;
    for (size_t i = 0; cvy_model_tensor(a, i, &s) && cvy_model_tensor(b, i, &t); i++)
        found = found || memcmp(s.data, t.data, (size_t)s.count * sizeof *s.data) != 0;
    return found;
}

/* ---- the same bits as `convoy run` ---- */

static void same_as_file(const cvy_experiment *x, cvy_session *s, const char *file)
{
    cvy_error *error;
    cvy_model *m = build(x);
    cvy_model_load(m, in(file), &error);
    good(error);
    same_tensors(cvy_session_model(s), m);
    cvy_model_free(m);
}

static double shown(const char *file, const char *key)
{
    char text[65536] = "", quoted[64];
    FILE *f = fopen(in(file), "r");
    assert_non_null(f);
    assert_true(fread(text, 1, sizeof text - 1, f) > 0);
    fclose(f);
    snprintf(quoted, sizeof quoted, "\"%s\":", key);
    const char *at = strstr(text, quoted);
    assert_non_null(at);
    return strtod(at + strlen(quoted), NULL);
}

static void test_steps_are_those_of_a_run(void **unused)
{
    (void)unused;
    shell(BINARY_DIR "/convoy run experiment.yaml --results results --threads " THREADS " && " BINARY_DIR
                     "/convoy show r1 --results results --json >shown.json"
                     " && mkdir one && cp results/r1/run.json results/r1/spec.yaml one"
                     " && { " BINARY_DIR "/convoy trial one --until 1 --threads " THREADS "; [ $? = 75 ]; }");
    cvy_experiment *x = open_experiment();
    cvy_experiment_info info = cvy_experiment_describe(x);
    assert_int_equal(info.steps_per_epoch, STEPS_PER_EPOCH);
    cvy_session *s = open_session(x);
    cvy_model *fresh = build(x);
    same_tensors(cvy_session_model(s), fresh);
    steps(s, STEPS_PER_EPOCH);
    assert_true(differ(cvy_session_model(s), fresh));
    same_as_file(x, s, "one/checkpoints/last.safetensors");
    steps(s, STEPS - STEPS_PER_EPOCH);
    same_as_file(x, s, "results/r1/checkpoints/last.safetensors");
    assert_int_equal(cvy_session_done(s), 1);

    cvy_metrics m;
    cvy_error *error;
    cvy_session_evaluate(s, CVY_PART_TEST, &m, &error);
    good(error);
    assert_int_equal(m.samples, 40);
    double loss = shown("shown.json", "test_loss");
    assert_true(fabs(m.loss - loss) <= 1e-14 * loss);
    assert_true(fabs(m.accuracy - shown("shown.json", "test_accuracy")) < 1e-12);
    assert_true(m.top5_accuracy >= m.accuracy);

    cvy_session_step(s, NULL, &error);
    failed(error, CVY_ERR_CONFIG, "all 3 epochs are trained");
    cvy_model_free(fresh);
    cvy_session_close(s);
    cvy_experiment_free(x);
}

/* What is asked in between, and where a batch comes from, moves nothing. */
static void test_nothing_in_between_shows(void **unused)
{
    (void)unused;
    cvy_experiment *x = open_experiment();
    cvy_session *plain = open_session(x), *busy = open_session(x);
    cvy_error *error;
    for (int i = 0; i < STEPS; i++) {
        cvy_step a, b;
        cvy_batch batch;
        cvy_metrics m;
        cvy_session_step(plain, &a, &error);
        good(error);
        if (i % 3 == 1) {
            cvy_session_evaluate(busy, CVY_PART_VALIDATION, &m, &error);
            good(error);
            assert_int_equal(m.samples, 30);
        }
        if (i % 2) {
            cvy_session_batch(busy, &batch, &error);
            good(error);
            float *images = malloc((size_t)batch.n * 3 * 12 * 12 * sizeof *images);
            float out[10];
            assert_non_null(images);
            memcpy(images, batch.images, (size_t)batch.n * 3 * 12 * 12 * sizeof *images);
            cvy_model_forward(cvy_session_model(busy), images, 1, out, &error);
            good(error);
            batch.images = images;
            cvy_session_step_on(busy, &batch, &b, &error);
            free(images);
        } else {
            cvy_session_step(busy, &b, &error);
        }
        good(error);
        assert_memory_equal(&a, &b, sizeof a);
        assert_int_equal(a.step, i + 1);
        assert_int_equal(a.epoch, i / STEPS_PER_EPOCH + 1);
        assert_int_equal(a.samples, i % STEPS_PER_EPOCH == STEPS_PER_EPOCH - 1 ? 24 : 32);
        assert_true(a.loss > 0 && a.lr > 0);
    }
    same_tensors(cvy_session_model(plain), cvy_session_model(busy));
    cvy_session_close(plain);
    cvy_session_close(busy);
    cvy_experiment_free(x);
}

typedef struct job {
    const cvy_experiment *x;
    cvy_session *s;
    char *problem;
} job;

static void *train_in_thread(void *ctx)
{
    job *j = ctx;
    cvy_error *error;
    j->s = cvy_session_open(j->x, &error);
    while (j->s && !error && !cvy_session_done(j->s)) cvy_session_step(j->s, NULL, &error);
    if (error) j->problem = strdup(cvy_error_text(error));
    cvy_error_free(error);
    return NULL;
}

static void test_sessions_side_by_side(void **unused)
{
    (void)unused;
    cvy_experiment *x = open_experiment();
    cvy_session *alone = open_session(x);
    steps(alone, STEPS);
    pthread_t threads[3];
    job jobs[3];
    for (int i = 0; i < 3; i++) {
        jobs[i] = (job){.x = x};
        assert_int_equal(pthread_create(&threads[i], NULL, train_in_thread, &jobs[i]), 0);
    }
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < 3; i++) {
        if (jobs[i].problem) fail_msg("%s", jobs[i].problem);
        same_tensors(cvy_session_model(alone), cvy_session_model(jobs[i].s));
        cvy_session_close(jobs[i].s);
    }
    cvy_session_close(alone);
    cvy_experiment_free(x);
}

/* ---- samples of different sizes ---- */

/* Trained as `convoy run` trains; what could not say which size it gives is refused. */
static void test_sizes(void **unused)
{
    (void)unused;
    const char *sizes =
        "dataset={type: shapes, size: [12, 20], train: 100, test: 40, validation: 30, augment: [normalize]}";
    cvy_error *error;
    shell(BINARY_DIR
          "/convoy run experiment.yaml 'dataset={type: shapes, size: [12, 20], train: 100, test: 40, "
          "validation: 30, augment: [normalize]}' --results sizes --threads " THREADS);
    cvy_experiment *x = cvy_experiment_open(in("experiment.yaml"), &sizes, 1, &error);
    good(error);
    const cvy_experiment_info info = cvy_experiment_describe(x);
    assert_int_equal(info.input.dim[1], 20);
    assert_int_equal(info.input.dim[2], 20);
    assert_in_range(info.steps_per_epoch, 4, 6);
    cvy_session *s = open_session(x);
    steps(s, (int)info.steps_per_epoch);
    cvy_metrics m;
    cvy_session_evaluate(s, CVY_PART_VALIDATION, &m, &error); /* its plans take the others' place */
    good(error);
    assert_int_equal(m.samples, 30);
    float image[3 * 20 * 20];
    int32_t label;
    cvy_batch b;
    assert_int_equal(cvy_experiment_read(x, CVY_PART_TEST, 0, image, &label, &error), CVY_ERR_CONFIG);
    failed(error, CVY_ERR_CONFIG,
           "the samples have 4 sizes, and cvy_experiment_read() gives those of one size");
    assert_int_equal(cvy_session_batch(s, &b, &error), CVY_ERR_CONFIG);
    failed(error, CVY_ERR_CONFIG, "cvy_session_batch() gives those of one size");
    steps(s, 2 * (int)info.steps_per_epoch);
    same_as_file(x, s, "sizes/r1/checkpoints/last.safetensors");
    cvy_session_close(s);
    cvy_experiment_free(x);
}

/* ---- batches of the caller's ---- */

static void test_own_batches(void **unused)
{
    (void)unused;
    enum { N = 5, SAMPLE = 3 * 12 * 12 };
    cvy_experiment *x = open_experiment();
    cvy_session *s = open_session(x), *other = open_session(x);
    static float images[N * SAMPLE];
    int32_t labels[N];
    cvy_error *error;
    for (int i = 0; i < N; i++) {
        cvy_experiment_read(x, CVY_PART_VALIDATION, i, images + (ptrdiff_t)i * SAMPLE, &labels[i], &error);
        good(error);
        cvy_experiment_read(x, CVY_PART_VALIDATION, i, NULL, NULL, &error);
        good(error);
    }
    const cvy_batch batch = {.n = N, .images = images, .labels = labels};
    cvy_step step;
    double first = 0;
    for (int i = 0; i < STEPS; i++) {
        cvy_session_step_on(s, &batch, &step, &error);
        good(error);
        assert_int_equal(step.samples, N);
        if (!i) first = step.loss;
    }
    assert_true(step.loss < first); /* learned by heart */
    assert_int_equal(cvy_session_done(s), 1);

    /* In the place of the next one: the third batch is passed over. */
    steps(other, 2);
    cvy_session_step_on(other, &batch, &step, &error);
    good(error);
    assert_int_equal(step.step, 3);
    cvy_session_step(other, &step, &error);
    good(error);
    assert_int_equal(step.samples, 24);
    cvy_session_step(other, &step, &error);
    good(error);
    assert_int_equal(step.epoch, 2);

    cvy_batch wrong = batch;
    wrong.n = 0;
    cvy_session_step_on(other, &wrong, NULL, &error);
    failed(error, CVY_ERR_CONFIG, "batch.n: 0");
    wrong.n = INT64_MAX / 4;
    wrong.labels = NULL;
    cvy_session_step_on(other, &wrong, NULL, &error);
    failed(error, CVY_ERR_CONFIG, "batch.labels: NULL");
    wrong = batch;
    wrong.images = NULL;
    cvy_session_step_on(other, &wrong, NULL, &error);
    failed(error, CVY_ERR_CONFIG, "batch.images: NULL");
    cvy_session_step_on(other, NULL, NULL, &error);
    failed(error, CVY_ERR_CONFIG, "batch: NULL");
    labels[3] = 10;
    cvy_session_step_on(other, &batch, NULL, &error);
    failed(error, CVY_ERR_CONFIG, "batch.labels[3]: 10 is not in 0 .. 9");
    steps(other, 1); /* none of that hurt */
    cvy_session_close(s);
    cvy_session_close(other);
    cvy_experiment_free(x);
}

/* ---- models ---- */

static void test_forward(void **unused)
{
    (void)unused;
    enum { N = 300, SAMPLE = 3 * 12 * 12, CLASSES = 10 }; /* more than are computed at once */
    cvy_experiment *x = open_experiment();
    cvy_model *m = build(x);
    cvy_model_info info = cvy_model_describe(m);
    assert_int_equal(info.input.rank, 3);
    assert_int_equal(cvy_count(&info.input), SAMPLE);
    assert_int_equal(info.output.rank, 1);
    assert_int_equal(cvy_count(&info.output), CLASSES);
    assert_true(info.parameters > 1000 && info.macs > info.parameters);
    float *images = malloc(sizeof(float) * N * SAMPLE), *out = malloc(sizeof(float) * N * CLASSES),
          one[CLASSES];
    assert_true(images && out);
    cvy_error *error;
    for (int i = 0; i < N; i++) {
        cvy_experiment_read(x, CVY_PART_TEST, i % 40, images + (ptrdiff_t)i * SAMPLE, NULL, &error);
        good(error);
    }
    cvy_model_forward(m, images, N, out, &error);
    good(error);
    for (int i = 0; i < N; i += 37) {
        cvy_model_forward(m, images + (ptrdiff_t)i * SAMPLE, 1, one, &error);
        good(error);
        for (int c = 0; c < CLASSES; c++) {
            float y = out[i * CLASSES + c];
            assert_true(fabsf(y - one[c]) <= 1e-5f + 1e-4f * fabsf(y));
            if (i >= 40) assert_true(y == out[(i - 40) * CLASSES + c]); /* the same image again */
        }
    }
    cvy_model_forward(m, images, 0, out, &error);
    failed(error, CVY_ERR_CONFIG, "n: 0 samples");
    cvy_model_forward(m, NULL, 1, out, &error);
    failed(error, CVY_ERR_CONFIG, "images: NULL");
    cvy_model_forward(m, images, 1, NULL, NULL); /* nobody wants to know */
    free(images);
    free(out);
    cvy_model_free(m);
    cvy_experiment_free(x);
}

static void test_tensors(void **unused)
{
    (void)unused;
    cvy_experiment *x = open_experiment();
    cvy_session *s = open_session(x);
    cvy_model *m = cvy_session_model(s), *copy = build(x);
    cvy_tensor t;
    cvy_error *error;
    int64_t parameters = 0;
    for (size_t i = 0; cvy_model_tensor(m, i, &t); i++) {
        assert_int_equal(cvy_count(&t.shape), t.count);
        if (!t.buffer) parameters += t.count;
        assert_true(t.buffer ? !t.gradient : t.gradient != NULL);
    }
    assert_int_equal(parameters, cvy_model_describe(m).parameters);
    assert_int_equal(cvy_model_find(m, "stem.weight", &t), 1);
    assert_int_equal(t.shape.rank, 4);
    assert_int_equal(t.shape.dim[1], 3);
    const float before = t.data[0];
    steps(s, 1);
    assert_true(t.data[0] != before); /* in place */
    assert_true(t.gradient[0] != 0);
    assert_int_equal(cvy_model_find(copy, "stem.weight", &t), 1);
    assert_null(t.gradient);
    assert_int_equal(cvy_model_find(m, "nothing", &t), 0);
    assert_int_equal(cvy_model_find(m, NULL, &t), 0);

    /* What is set is what the next forward pass computes with, also where a plan has packed it. */
    float image[3 * 12 * 12], y[10], bias[10], zeros[10 * 8] = {0};
    for (int i = 0; i < 10; i++) bias[i] = (float)i / 8;
    cvy_experiment_read(x, CVY_PART_TEST, 0, image, NULL, &error);
    good(error);
    cvy_model_forward(m, image, 1, y, &error);
    good(error);
    cvy_model_set(m, "head.weight", zeros, 80, &error);
    good(error);
    cvy_model_set(m, "head.bias", bias, 10, &error);
    good(error);
    cvy_model_forward(m, image, 1, y, &error);
    good(error);
    assert_memory_equal(y, bias, sizeof y);

    cvy_model_set(m, "head.bias", bias, 9, &error);
    failed(error, CVY_ERR_CONFIG, "head.bias: 9 elements were given, it has 10");
    cvy_model_set(m, "head.bais", bias, 10, &error);
    failed(error, CVY_ERR_CONFIG, "did you mean `head.bias`?");
    cvy_model_set(m, "head.bias", NULL, 10, &error);
    failed(error, CVY_ERR_CONFIG, "values: NULL");
    cvy_model_free(copy);
    cvy_session_close(s);
    cvy_experiment_free(x);
}

static void test_frozen(void **unused)
{
    (void)unused;
    cvy_error *error;
    const char *overrides[] = {"init={freeze: [stem.*]}"};
    cvy_experiment *x = cvy_experiment_open(in("experiment.yaml"), overrides, 1, &error);
    good(error);
    cvy_session *s = open_session(x);
    cvy_model *start = build(x);
    cvy_tensor t, before;
    steps(s, 2);
    for (size_t i = 0; cvy_model_tensor(cvy_session_model(s), i, &t); i++) {
        cvy_model_tensor(start, i, &before);
        assert_int_equal(t.frozen, strncmp(t.name, "stem.", 5) == 0);
        if (t.frozen) {
            assert_null(t.gradient);
            assert_memory_equal(t.data, before.data, (size_t)t.count * sizeof *t.data);
        }
    }
    cvy_model_free(start);
    cvy_session_close(s);
    cvy_experiment_free(x);
}

static void test_files(void **unused)
{
    (void)unused;
    cvy_experiment *x = open_experiment();
    cvy_session *s = open_session(x);
    cvy_model *m = cvy_session_model(s), *copy = build(x);
    cvy_error *error;
    steps(s, 2);
    cvy_model_save(m, in("weights.safetensors"), &error);
    good(error);
    assert_true(differ(m, copy));
    cvy_model_load(copy, in("weights.safetensors"), &error);
    good(error);
    same_tensors(m, copy);
    cvy_model_free(copy);
    cvy_model_save(m, in("no/such/folder"), &error);
    failed(error, CVY_ERR_CONFIG, "no/such/folder");

    /* Another network: everything that does not fit is said, and nothing is changed. */
    const char *narrower[] = {"model.stem.channels=4"};
    cvy_experiment *y = cvy_experiment_open(in("experiment.yaml"), narrower, 1, &error);
    good(error);
    cvy_model *other = build(y), *still = build(y);
    cvy_model_load(other, in("weights.safetensors"), &error);
    assert_true(cvy_error_count(error) > 2);
    failed(error, CVY_ERR_CONFIG, "tensor \"stem.weight\" is");
    same_tensors(other, still);
    cvy_model_load(other, in("absent.safetensors"), &error);
    failed(error, CVY_ERR_CONFIG, "absent.safetensors");
    shell("head -c 1000 weights.safetensors >torn.safetensors");
    cvy_model_load(other, in("torn.safetensors"), &error);
    failed(error, CVY_ERR_CONFIG, "torn.safetensors");
    same_tensors(other, still);
    cvy_model_free(other);
    cvy_model_free(still);
    cvy_experiment_free(y);
    cvy_session_close(s);
    cvy_experiment_free(x);
}

static void test_network_alone(void **unused)
{
    (void)unused;
    cvy_error *error;
    cvy_experiment *x = cvy_experiment_open_model("mini_resnet", NULL, 0, &error);
    good(error);
    cvy_experiment_info info = cvy_experiment_describe(x);
    assert_int_equal(info.input.rank, 3);
    assert_int_equal(info.classes, 10);
    assert_int_equal(info.epochs, 0);
    cvy_model *m = build(x);
    size_t n = (size_t)cvy_count(&info.input);
    float *image = calloc(n, sizeof *image), y[10];
    assert_non_null(image);
    cvy_model_forward(m, image, 1, y, &error);
    good(error);
    free(image);
    assert_null(cvy_session_open(x, &error));
    failed(error, CVY_ERR_CONFIG, "only the network was opened");
    cvy_experiment_read(x, CVY_PART_TEST, 0, NULL, NULL, &error);
    failed(error, CVY_ERR_CONFIG, "only the network was opened");
    assert_null(cvy_experiment_class_name(x, 0));
    cvy_model_free(m);
    cvy_experiment_free(x);
    assert_null(cvy_experiment_open_model("mini_resnit", NULL, 0, &error));
    failed(error, CVY_ERR_CONFIG, "mini_resnet");
}

/* ---- what is wrong ---- */

static void test_wrong_files(void **unused)
{
    (void)unused;
    cvy_error *error;
    write_file("wrong.yaml", "dataset: {type: shapes, train: 500, test: 10, size: 12}\n"
                             "model:\n"
                             "  - conv2d: {channels: 0, kernel: 3, name: stem}\n"
                             "  - global_avg_pool\n"
                             "  - linear: {units: classes}\n"
                             "train: {epochs: many}\n");
    assert_null(cvy_experiment_open(in("wrong.yaml"), NULL, 0, &error));
    assert_int_equal(cvy_error_count(error), 2); /* all at once */
    for (size_t i = 0; i < 2; i++) {
        cvy_message m = cvy_error_message(error, i);
        assert_string_equal(m.file, in("wrong.yaml"));
        assert_true(m.line == 3 ? m.column == 24 : m.line == 6 && m.column == 17);
        assert_non_null(m.what);
    }
    cvy_message none = cvy_error_message(error, 2);
    assert_string_equal(none.what, "");
    assert_null(none.file);
    failed(error, CVY_ERR_CONFIG, "wrong.yaml:3:24: layer \"stem\" (conv2d): channels: 0 is below 1\n");

    const char *overrides[] = {"train.epochs=0"};
    assert_null(cvy_experiment_open(in("experiment.yaml"), overrides, 1, &error));
    failed(error, CVY_ERR_CONFIG, "--set train.epochs=0");
    assert_null(cvy_experiment_open(in("absent.yaml"), NULL, 0, &error));
    failed(error, CVY_ERR_CONFIG, "absent.yaml");
    assert_null(cvy_experiment_open(in("absent.yaml"), NULL, 0, NULL)); /* nobody wants to know */
}

static void test_nothing_given(void **unused)
{
    (void)unused;
    cvy_error *error;
    const char *none[] = {NULL};
    assert_null(cvy_experiment_open(NULL, NULL, 0, &error));
    failed(error, CVY_ERR_CONFIG, "file: NULL");
    assert_null(cvy_experiment_open("x.yaml", NULL, 1, &error));
    failed(error, CVY_ERR_CONFIG, "overrides: NULL");
    assert_null(cvy_experiment_open("x.yaml", none, 1, &error));
    failed(error, CVY_ERR_CONFIG, "overrides: NULL");
    assert_null(cvy_model_build(NULL, &error));
    failed(error, CVY_ERR_CONFIG, "experiment: NULL");
    assert_null(cvy_session_open(NULL, NULL));
    cvy_session_step(NULL, NULL, &error);
    failed(error, CVY_ERR_CONFIG, "session: NULL");
    cvy_experiment_free(NULL);
    cvy_model_free(NULL);
    cvy_session_close(NULL);
    cvy_error_free(NULL);
    assert_int_equal(cvy_error_status(NULL), CVY_OK);
    assert_string_equal(cvy_error_text(NULL), "");
    assert_int_equal(cvy_error_count(NULL), 0);
}

static void test_wrong_questions(void **unused)
{
    (void)unused;
    cvy_error *error;
    cvy_metrics m;
    cvy_experiment *x = open_experiment();
    cvy_session *s = open_session(x);
    cvy_session_evaluate(s, CVY_PART_TRAIN, &m, &error);
    failed(error, CVY_ERR_CONFIG, "only the validation and the test part");
    cvy_session_evaluate(s, CVY_PART_TEST, NULL, &error);
    failed(error, CVY_ERR_CONFIG, "metrics: NULL");
    cvy_experiment_read(x, CVY_PART_TEST, 40, NULL, NULL, &error);
    failed(error, CVY_ERR_CONFIG, "sample 40: the test part has 40");
    cvy_experiment_read(x, CVY_PART_TEST, -1, NULL, NULL, &error);
    failed(error, CVY_ERR_CONFIG, "sample -1");
    cvy_experiment_read(x, CVY_PARTS, 0, NULL, NULL, &error);
    failed(error, CVY_ERR_CONFIG, "part: 3 is none");
    assert_string_equal(cvy_experiment_warnings(x), "");
    assert_non_null(cvy_experiment_class_name(x, 9));
    assert_null(cvy_experiment_class_name(x, 10));
    assert_null(cvy_experiment_class_name(x, -1));

    cvy_set_threads(3); /* plans were made for two */
    assert_int_equal(cvy_threads(), 3);
    cvy_session_step(s, NULL, &error);
    failed(error, CVY_ERR_CONFIG, "was made for 2 compute threads, and now there are 3");
    cvy_session_evaluate(s, CVY_PART_TEST, &m, &error);
    failed(error, CVY_ERR_CONFIG, "compute threads");
    cvy_set_threads(2);
    steps(s, 1);
    cvy_session_close(s);
    cvy_experiment_free(x);

    const char *without[] = {"dataset.validation=0", "train.lr_schedule.warmup_epochs=3"};
    x = cvy_experiment_open(in("experiment.yaml"), without, 2, &error);
    good(error);
    assert_non_null(strstr(cvy_experiment_warnings(x), "the learning rate only rises"));
    s = open_session(x);
    cvy_session_evaluate(s, CVY_PART_VALIDATION, &m, &error);
    failed(error, CVY_ERR_CONFIG, "no validation samples");
    cvy_session_close(s);
    cvy_experiment_free(x);
}

static void test_training_fails(void **unused)
{
    (void)unused;
    cvy_error *error = NULL;
    const char *wild[] = {"train.optimizer.lr=1e6", "train.lr_schedule=constant"};
    cvy_experiment *x = cvy_experiment_open(in("experiment.yaml"), wild, 2, &error);
    good(error);
    cvy_session *s = open_session(x);
    for (int i = 0; i < STEPS && !error; i++) cvy_session_step(s, NULL, &error);
    failed(error, CVY_ERR_RUN, "the loss is");
    cvy_session_step(s, NULL, &error);
    failed(error, CVY_ERR_RUN, "a step of this session failed");
    cvy_tensor t;
    assert_int_equal(cvy_model_tensor(cvy_session_model(s), 0, &t), 1);
    cvy_session_close(s);
    cvy_experiment_free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps_are_those_of_a_run),
        cmocka_unit_test(test_nothing_in_between_shows),
        cmocka_unit_test(test_sessions_side_by_side),
        cmocka_unit_test(test_own_batches),
        cmocka_unit_test(test_forward),
        cmocka_unit_test(test_tensors),
        cmocka_unit_test(test_frozen),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_network_alone),
        cmocka_unit_test(test_wrong_files),
        cmocka_unit_test(test_nothing_given),
        cmocka_unit_test(test_wrong_questions),
        cmocka_unit_test(test_training_fails),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
