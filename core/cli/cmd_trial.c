/* `convoy trial`: one attempt at one run, started by the supervisor; and `convoy trial --serve FD`, which starts such attempts
 * as copies of itself, asked through a socket. See journal/protocol.h and sweep/server.h. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/file.h"
#include "base/parallel.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/trained.h"
#include "cli/warm.h"
#include "convoy/convoy.h"
#include "sweep/server.h"
#include "train/checkpoint.h"
#include "train/identity.h"
#include "train/trainer.h"

typedef struct trial_args {
    int64_t threads, lifeline, until, serve;
    bool inexact, grouped;
    /* Of a server's copy; else NULL. */
    warm *ready;
    char **started_by; /* the arguments with which it would have been started as a program */
} trial_args;

static const option_row trial_rows[] = {
    OPTION_NUMBER(trial_args, threads, 't', "N", 0, 0, 1024, "compute threads; 0: all cores"),
    OPTION_NUMBER(trial_args, lifeline, 0, "FD", -1, -1, 1 << 20, "read end of the supervisor's pipe"),
    OPTION_NUMBER(trial_args, until, 0, "EPOCH", 0, 0, 1000000, "stop, resumable, after this epoch"),
    OPTION(trial_args, inexact, 0, OPTION_FLAG, NULL, "go on though the machine or build differs"),
    OPTION(trial_args, grouped, 0, OPTION_FLAG, NULL,
           "the supervisor waits for the disk, for many trials at once"),
    OPTION_NUMBER(trial_args, serve, 0, "FD", -1, -1, 1 << 20,
                  "start trials as copies of this process, asked there"),
};

static volatile sig_atomic_t asked, interrupted;

/* The second Ctrl-C ends it at once. SIGTERM may well come twice, from the supervisor and for the supervisor's death. */
static void trial_signal(int number)
{
    if (number == SIGINT && interrupted) _exit(CVY_FORCED);
    if (number == SIGINT) interrupted = 1;
    asked = 1;
}

typedef struct lifeline {
    int fd;
} lifeline;

/* A signal, or the other end of the pipe gone: nobody is left to answer to. */
static bool trial_stop(void *ctx)
{
    const lifeline *l = ctx;
    if (asked) return true;
    if (l->fd < 0) return false;
    struct pollfd p = {.fd = l->fd, .events = POLLIN};
    return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR | POLLIN));
}

static void trial_listen(void)
{
    struct sigaction a = {.sa_handler = trial_signal, .sa_flags = SA_RESTART};
    sigaction(SIGTERM, &a, NULL);
    sigaction(SIGINT, &a, NULL);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
}

/* What top and ps -e show: which run it is. A copy of a trial server has the server's arguments. */
static void trial_shows_as(const char *dir)
{
    char *name = mem_printf("convoy %s", path_base(dir));
    prctl(PR_SET_NAME, name);
    mem_free(name);
}

/* Exactly the plugin files that the run was planned with, unchanged. */
static registry *trial_plugins(const json *run, const trial_args *t, arena *a, errors *e)
{
    size_t n;
    registry *ready = NULL;
    const warm_answer answer = t->ready ? warm_plugins(t->ready, run, &ready) : WARM_NONE;
    if (answer == WARM_READY) return ready;
    /* What is in this process cannot be loaded anew. */
    if (answer == WARM_CHANGED && execv(t->started_by[0], t->started_by)) {
        errors_add(e, CVY_ERR_RESOURCE, &PLACE_FILE(t->started_by[0]), NULL, "cannot be started: %s",
                   strerror(errno));
        return NULL;
    }
    const plugin_request *files = trained_files(run, a, &n);
    return registry_open_only(files, n, e);
}

/* What the run was planned as is what it goes on as: a checkpoint says nothing of the data it was trained on. */
static cvy_status trial_unchanged(const setup *s, registry *r, const json *run, const char *dir, errors *e)
{
    const plugin_entry *changed = trained_changed(json_get(run, "plugins"), r);
    if (changed) {
        place at = PLACE_FILE(changed->path);
        return errors_add(e, CVY_ERR_PLUGIN, &at, "start a new run to use it",
                          "the plugin changed since the run was planned");
    }
    char hash[65];
    identity_config_hash(s, hash);
    if (strcmp(hash, json_get_text(run, "config_hash", "")) == 0) return CVY_OK;
    place at = PLACE_FILE(dir);
    return errors_add(
        e, CVY_ERR_CONFIG, &at, "start a new run",
        "its configuration, its dataset or the file of init.from changed since the run was planned");
}

static int64_t trial_attempt(const char *dir, char **journal_path)
{
    for (int64_t k = 1;; k++) {
        char *path = mem_printf("%s/journal.%lld", dir, (long long)k);
        if (!file_exists(path)) {
            *journal_path = path;
            return k;
        }
        mem_free(path);
    }
}

static cvy_status trial_key(const json *run, const trial_args *t, char key[65], const char *dir, errors *e)
{
    machine m = machine_here();
    const char *known = t->ready ? warm_exact_key(t->ready, t->threads) : NULL;
    cvy_status status = CVY_OK;
    if (known)
        snprintf(key, 65, "%s", known);
    else
        status = identity_exact_key(&m, key, e);
    if (status || t->inexact || strcmp(key, json_get_text(run, "exact_key", "")) == 0) return status;
    place at = PLACE_FILE(dir);
    return errors_add(
        e, CVY_ERR_CONFIG, &at, "--inexact goes on all the same; the result then differs in its last bits",
        "was begun by another build of Convoy, on another CPU, or with another number of threads");
}

static cvy_status trial_train(const char *dir, const trial_args *t, errors *e)
{
    arena a = {0};
    char *path = path_join(dir, "run.json"), *bytes = NULL, *journal_path = NULL,
         *spec = path_join(dir, "spec.yaml");
    size_t n = 0, offset = 0;
    const char *why = NULL, *none[] = {NULL};
    registry *r = NULL;
    experiment *x = NULL;
    setup *s = NULL;
    char key[65] = "";
    cvy_status status = file_read(path, 64u << 20, &bytes, &n, e);
    json *run = status ? NULL : json_parse(&a, bytes, n, &why, &offset);
    place at = PLACE_AT(path, (long long)offset);
    if (!status && !run) status = errors_add(e, CVY_ERR_CONFIG, &at, NULL, "%s", why);
    if (!status) status = trial_key(run, t, key, dir, e);
    if (!status && !(x = experiment_read(spec, NULL, 0, none, e))) status = errors_status(e);
    if (!status && !(r = trial_plugins(run, t, &a, e))) status = errors_status(e);
    /* A checkpoint has the weights, wherever they once came from. */
    bool resumed = checkpoint_is_there(dir);
    if (!status &&
        !(s = setup_new(x, r, json_get_text(run, "base_dir", "."), resumed ? SETUP_RESUMED : SETUP_ALL, e)))
        status = errors_status(e);
    if (!status && resumed)
        snprintf(s->weights_sha256, sizeof s->weights_sha256, "%s",
                 json_get_text(json_get(run, "weights"), "sha256", ""));
    if (!status) status = trial_unchanged(s, r, run, dir, e);
    if (!status) {
        lifeline l = {(int)t->lifeline};
        trainer_options o = {.dir = dir,
                             .config_hash = json_get_text(run, "config_hash", ""),
                             .exact_key = key,
                             .one_of_many = json_get_text(run, "sweep", NULL) != NULL,
                             .grouped = t->grouped,
                             .until_epoch = t->until,
                             .stop = trial_stop,
                             .ctx = &l};
        o.attempt = trial_attempt(dir, &journal_path);
        status = trainer_run(s, &o, journal_path, e);
    }
    setup_free(s);
    registry_free(r);
    experiment_free(x);
    mem_free(bytes);
    mem_free(path);
    mem_free(spec);
    mem_free(journal_path);
    arena_free(&a);
    return status;
}

static int trial_attend(const command *self, const common *c, const trial_args *t, int argc, char **argv)
{
    if (argc != 1) return cli_usage(self, c, "expected one run folder");
    errors e = {0};
    if (!file_is_dir(argv[0])) return cli_usage(self, c, "%s is no run folder", argv[0]);
    trial_listen();
    trial_shows_as(argv[0]);
    parallel_set_threads((int)t->threads);
    char *lock_path = path_join(argv[0], "lock");
    int lock = file_lock(lock_path, 10000, &e);
    cvy_status status = CVY_OK;
    if (lock < 0) {
        place at = PLACE_FILE(argv[0]);
        status = errors_count(&e)
                     ? errors_status(&e)
                     : errors_add(&e, CVY_ERR_RESOURCE, &at, NULL, "another process is training this run");
    } else {
        status = trial_train(argv[0], t, &e);
        file_unlock(lock);
    }
    mem_free(lock_path);
    int code = cli_fail(c, &e);
    errors_free(&e);
    return code ? code : (int)status;
}

/* ---- serving ---- */

/* In the copy: what it would be, had it been started with these arguments. */
static int trial_copy(const command *self, serving *q, warm *ready)
{
    trial_args t = {0};
    common c = {0};
    errors e = {0};
    const option_table tables[] = {{self->options, self->n_options, &t},
                                   {options_common, options_common_n, &c}};
    char *operands[SERVING_ARGS + 1];
    /* Without the word `trial`. */
    int n = options_read(tables, 2, false, q->argc - 1, q->argv + 1, operands, &e);
    options_finish(&c, &e);
    t.ready = ready;
    t.started_by = q->argv;
    int code = errors_status(&e) ? cli_fail(&c, &e) : trial_attend(self, &c, &t, n, operands);
    options_free(tables, 2);
    errors_free(&e);
    return code;
}

/* Until nobody asks any more. */
static int trial_serve(const command *self, const trial_args *t)
{
    const int fd = (int)t->serve;
    serving q;
    bool good = true;
    parallel_set_threads((int)t->threads);
    warm *ready = warm_new(t->threads);
    while (good && serving_wait(fd, &q)) {
        const pid_t pid = serving_fork();
        if (pid == 0) {
            const bool wanted = serving_become(fd, &q);
            int code = wanted ? trial_copy(self, &q, ready) : CVY_ERR_RESOURCE;
            serving_free(&q);
            warm_free(ready);
            return code;
        }
        if (pid < 0) serving_refuse(fd);
        if (q.argc > 2) good = warm_load(ready, q.argv[2]);
        serving_free(&q);
    }
    warm_free(ready);
    return good ? CVY_OK : CVY_ERR_PLUGIN;
}

static int trial_run(const command *self, const common *c, void *options, int argc, char **argv)
{
    const trial_args *t = options;
    return t->serve >= 0 ? trial_serve(self, t) : trial_attend(self, c, t, argc, argv);
}

const command cmd_trial = {.name = "trial",
                           .summary = "one attempt at a run (started by run, sweep and resume)",
                           .usage = "convoy trial RUN_DIR [--threads N]",
                           .examples = "convoy trial results/r1 --threads 2",
                           .options = trial_rows,
                           .n_options = sizeof trial_rows / sizeof *trial_rows,
                           .size = sizeof(trial_args),
                           .run = trial_run,
                           .hidden = true};
