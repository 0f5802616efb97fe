/* What the search methods find on functions whose minimum is known, and what a suggestion costs:
 *   bench_search [METHOD [PARALLELISM [SEEDS [TRIALS]]]]
 * prints a line `FUNCTION SEED REGRET` for each run; `bench_search time` prints milliseconds of user time for a suggestion. compare.py
 * sets the first beside Optuna's. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/file.h"
#include "sweep/search.h"

static double of(const space *s, const double *x, const char *name)
{
    for (size_t i = 0; i < s->n; i++)
        if (!strcmp(s->parameters[i].path + 6, name)) return x[i];
    return (double)NAN;
}

static double branin(const space *s, const double *x)
{
    (void)s;
    const double pi = 3.14159265358979323846, b = 5.1 / (4 * pi * pi), c = 5 / pi, t = 1 / (8 * pi);
    double a = x[1] - b * x[0] * x[0] + c * x[0] - 6;
    return a * a + 10 * (1 - t) * cos(x[0]) + 10 - 0.39788735772973816;
}

static double hartmann6(const space *s, const double *x)
{
    (void)s;
    static const double alpha[4] = {1.0, 1.2, 3.0, 3.2};
    static const double a[4][6] = {{10, 3, 17, 3.5, 1.7, 8},
                                   {0.05, 10, 17, 0.1, 8, 14},
                                   {3, 3.5, 1.7, 10, 17, 8},
                                   {17, 8, 0.05, 10, 0.1, 14}};
    static const double p[4][6] = {{1312, 1696, 5569, 124, 8283, 5886},
                                   {2329, 4135, 8307, 3736, 1004, 9991},
                                   {2348, 1451, 3522, 2883, 3047, 6650},
                                   {4047, 8828, 8732, 5743, 1091, 381}};
    double sum = 0;
    for (int i = 0; i < 4; i++) {
        double inner = 0;
        for (int k = 0; k < 6; k++) inner += a[i][k] * (x[k] - 1e-4 * p[i][k]) * (x[k] - 1e-4 * p[i][k]);
        sum += alpha[i] * exp(-inner);
    }
    return 3.32236801141551 - sum;
}

static double rosenbrock(const space *s, const double *x)
{
    double sum = 0;
    for (size_t i = 0; i + 1 < s->n; i++)
        sum += 100 * (x[i + 1] - x[i] * x[i]) * (x[i + 1] - x[i] * x[i]) + (1 - x[i]) * (1 - x[i]);
    return sum;
}

/* Like the choice of an optimizer with its own parameters. */
static double mixed(const space *s, const double *x)
{
    static const double base[3] = {0.05, 0, 0.2}, best[3] = {-1, -3, -3.5},
                        activation[4] = {0.3, 0, 0.1, 0.5};
    int type = (int)of(s, x, "kind");
    double lr = log10(of(s, x, "lr")) - best[type], depth = of(s, x, "depth") - 5;
    double sum = base[type] + 0.5 * lr * lr + 0.05 * depth * depth + activation[(int)of(s, x, "activation")];
    double momentum = of(s, x, "momentum") - 0.9, beta = log10(of(s, x, "beta")) + 3;
    return type == 0 ? sum + 2 * momentum * momentum : type == 1 ? sum + 0.3 * beta * beta : sum;
}

static const struct {
    const char *name, *parameters;
    double (*f)(const space *, const double *);
} functions[] = {
    {"branin", "{train.x0: {min: -5.0, max: 10.0}, train.x1: {min: 0.0, max: 15.0}}", branin},
    {"hartmann6",
     "{train.x0: {min: 0.0, max: 1.0}, train.x1: {min: 0.0, max: 1.0}, train.x2: {min: 0.0, max: 1.0}, "
     "train.x3: {min: 0.0, max: 1.0}, train.x4: {min: 0.0, max: 1.0}, train.x5: {min: 0.0, max: 1.0}}",
     hartmann6},
    {"rosenbrock4",
     "{train.x0: {min: -2.048, max: 2.048}, train.x1: {min: -2.048, max: 2.048}, train.x2: {min: -2.048, "
     "max: "
     "2.048}, train.x3: {min: -2.048, max: 2.048}}",
     rosenbrock},
    {"mixed",
     "{train.kind: {values: [sgd, adam, rmsprop]}, train.lr: {distribution: log_uniform_values, min: 1e-5, "
     "max: "
     "1.0}, train.depth: {min: 1, max: 8}, train.activation: {values: [a, b, c, d]}, train.momentum: {min: "
     "0.0, "
     "max: 0.99, when: {train.kind: sgd}}, train.beta: {distribution: log_uniform_values, min: 1e-5, max: "
     "0.5, "
     "when: {train.kind: adam}}}",
     mixed},
};

static bool open_space(const char *method, int parallelism, int trials, const char *parameters, arena *a,
                       experiment **x, space *s, errors *e)
{
    char file[] = "/tmp/bench-search-XXXXXX";
    int fd = mkstemp(file);
    if (fd < 0) return false;
    close(fd);
    text t = {0};
    text_printf(&t,
                "experiment: bench\nmodel: [relu]\nsweep:\n  method: %s\n  run_cap: %d\n  parallelism: %d\n"
                "  metric: {name: val_loss, goal: minimize}\n  parameters: %s\n",
                method, trials, parallelism, parameters);
    file_replace(file, t.s, t.n, e);
    text_free(&t);
    *x = experiment_read(file, NULL, 0, NULL, e);
    bool ok = *x && space_read(*x, NULL, 0, a, s, e) == CVY_OK;
    unlink(file);
    return ok;
}

static double regret(const space *s, double (*f)(const space *, const double *), uint64_t seed, size_t trials)
{
    search_result *results = mem_array(trials, sizeof *results);
    double *points = mem_array(trials, s->n * sizeof *points), best = HUGE_VAL;
    for (size_t i = 0; i < trials; i++) {
        double *point = points + i * s->n;
        if (!search_propose(s, seed, results, i, i, point, NULL)) break;
        results[i] = (search_result){point, f(s, point), false};
        best = fmin(best, results[i].value);
    }
    mem_free(results);
    mem_free(points);
    return best;
}

static double user_seconds(void)
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (double)r.ru_utime.tv_sec + 1e-6 * (double)r.ru_utime.tv_usec;
}

static void time_one(const char *what, const char *parameters, size_t trials)
{
    arena a = {0};
    errors e = {0};
    experiment *x = NULL;
    space s;
    if (!open_space("tpe", 1, (int)trials + 100, parameters, &a, &x, &s, &e)) return;
    search_result *results = mem_array(trials, sizeof *results);
    double *points = mem_array(trials, s.n * sizeof *points), *next = mem_array(s.n, sizeof *next);
    space draws = s;
    draws.method = "random";
    for (size_t i = 0; i < trials; i++) {
        double *point = points + i * s.n;
        search_propose(&draws, 1, NULL, 0, i, point, &e);
        double value = 0;
        for (size_t k = 0; k < s.n; k++) value += isnan(point[k]) ? 0 : point[k];
        results[i] = (search_result){point, value, false};
    }
    enum { TIMES = 50 };
    for (int multivariate = 1; multivariate >= 0; multivariate--) {
        s.tpe.multivariate = multivariate;
        double before = user_seconds();
        for (size_t i = 0; i < TIMES; i++) search_propose(&s, i, results, trials, trials, next, &e);
        printf("%s, %s: %.2f ms\n", what, multivariate ? "multivariate" : "univariate",
               1e3 * (user_seconds() - before) / TIMES);
    }
    mem_free(results);
    mem_free(points);
    mem_free(next);
    experiment_free(x);
    arena_free(&a);
    errors_free(&e);
}

static int time_all(void)
{
    text floats = {0}, steps = {0}, choices = {0};
    for (int i = 0; i < 8; i++) {
        text_printf(&floats, "%strain.x%d: {min: 0.0, max: 1.0}", i ? ", " : "{", i);
        text_printf(&steps, "%strain.x%d: {min: 1, max: %d}", i ? ", " : "{", i, 3 + 4 * i);
        text_printf(&choices, "%strain.x%d: {values: [1, 2, 3, 4]}", i ? ", " : "{", i);
    }
    text_char(&floats, '}');
    text_char(&steps, '}');
    text_char(&choices, '}');
    time_one("8 floats, 1000 results", floats.s, 1000);
    time_one("8 integers, 1000 results", steps.s, 1000);
    time_one("8 choices, 1000 results", choices.s, 1000);
    text_free(&floats);
    text_free(&steps);
    text_free(&choices);
    return 0;
}

int main(int argc, char **argv)
{
    const char *method = argc > 1 ? argv[1] : "tpe";
    if (!strcmp(method, "time")) return time_all();
    int parallelism = argc > 2 ? atoi(argv[2]) : 1, seeds = argc > 3 ? atoi(argv[3]) : 20;
    int trials = argc > 4 ? atoi(argv[4]) : 100;
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        arena a = {0};
        errors e = {0};
        experiment *x = NULL;
        space s;
        if (!open_space(method, parallelism, trials, functions[i].parameters, &a, &x, &s, &e)) {
            text t = {0};
            errors_text(&e, false, &t);
            fputs(text_str(&t), stderr);
            return 1;
        }
        for (int seed = 0; seed < seeds; seed++)
            printf("%s %d %.6g\n", functions[i].name, seed,
                   regret(&s, functions[i].f, (uint64_t)seed, (size_t)trials));
        experiment_free(x);
        arena_free(&a);
        errors_free(&e);
    }
    return 0;
}
