/* Owns the pretended planning and trial processes; must not know what is tested with them. */
#include "fake.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <time.h>
#include "journal/record.h"
#include "sweep/server.h"

static char *folders[64];
static size_t n_folders;

char *fake_folder(void)
{
    char name[] = "/tmp/convoy-sweep-XXXXXX";
    assert_non_null(mkdtemp(name));
    folders[n_folders++] = mem_text(name);
    return folders[n_folders - 1];
}

static book *told;

void fake_cleanup(void)
{
    book_close(told);
    told = NULL;
    while (n_folders) {
        file_remove_tree(folders[--n_folders], NULL);
        mem_free(folders[n_folders]);
    }
}

/* Without a sanitizer's handler in the way. */
static void fall(int number)
{
    signal(number, SIG_DFL);
    raise(number);
}

static void pause_ms(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

/* ---- planner ---- */

static const char *word_of(const json *overrides)
{
    for (size_t i = 0; overrides && i < overrides->n; i++)
        if (text_starts(overrides->items[i]->s, "fake=")) return overrides->items[i]->s + 5;
    return "good";
}

/* The learning rate that a sweep set; NULL. */
static const char *lr_of(const json *overrides)
{
    for (size_t i = 0; overrides && i < overrides->n; i++)
        if (text_starts(overrides->items[i]->s, "train.optimizer.lr=")) return overrides->items[i]->s + 19;
    return NULL;
}

static void plan_line(json_writer *w, const char *word, const char *hash, int64_t seed, const char *threads)
{
    json_open(w, '{');
    json_put_bool(w, "ok", true);
    json_key(w, "errors");
    json_open(w, '[');
    json_close(w, ']');
    json_put_text(w, "spec", "experiment: fake\nmodel: [x]\n");
    json_put_text(w, "experiment", "fake");
    json_put_int(w, "seed", seed);
    json_put_text(w, "base_dir", "/tmp");
    json_put_text(w, "config_hash", hash);
    json_put_text(w, "exact_key", threads);
    json_put_text(w, "model", word);
    json_put_int(w, "epochs", 3);
    json_put_int(w, "steps_per_epoch", 4);
    json_key(w, "params");
    json_open(w, '{');
    json_close(w, '}');
    json_close(w, '}');
    text_char(&w->out, '\n');
}

static void put(text *t)
{
    size_t at = 0;
    while (at < t->n) {
        ssize_t n = write(STDOUT_FILENO, t->s + at, t->n - at);
        if (n < 0 && errno != EINTR) _exit(9);
        if (n > 0) at += (size_t)n;
    }
    text_free(t);
}

static void refuse(void)
{
    errors e = {0};
    json_writer w = {0};
    errors_add(&e, CVY_ERR_CONFIG, NULL, "be good", "a bad trial");
    json_open(&w, '{');
    json_put_bool(&w, "ok", false);
    json_put_int(&w, "status", 2);
    json_key(&w, "errors");
    errors_write_json(&e, &w);
    json_close(&w, '}');
    text_char(&w.out, '\n');
    put(&w.out);
    errors_free(&e);
}

static void answer(size_t i, const json *request)
{
    const char *word = word_of(json_get(request, "overrides"));
    text noise = {0};
    if (!strcmp(word, "crash")) {
        fputs("plugin: about to\nfall over\n", stderr);
        fall(SIGSEGV);
    } else if (!strcmp(word, "hang")) {
        for (;;) pause_ms(1000);
    } else if (!strcmp(word, "exit")) {
        _exit(7);
    } else if (!strcmp(word, "memory")) {
        _exit(CVY_ERR_RESOURCE);
    } else if (!strcmp(word, "noise")) {
        text_add(&noise, "hello from a plugin\n{\"ok\":1}\n{\"ok\":true}\n[]\n\n{broken\n");
        put(&noise);
    } else if (!strcmp(word, "flood")) {
        for (int k = 0; k < 40000; k++) text_add(&noise, "no plan at all, only noise, line after line\n");
        put(&noise);
        for (;;) pause_ms(1000);
    } else if (!strcmp(word, "close")) {
        close(STDOUT_FILENO);
        pause_ms(100);
        _exit(3);
    } else if (!strcmp(word, "bad")) {
        refuse();
        return;
    }
    char hash[80];
    json_writer w = {0};
    const char *lr = lr_of(json_get(request, "overrides"));
    snprintf(hash, sizeof hash, "hash-%s-%zu", word, i);
    if (lr) snprintf(hash, sizeof hash, "hash-%.20s-%d", lr, (int)json_get_int(request, "seed", 1));
    plan_line(&w, word, hash, json_get_int(request, "seed", 1), "key");
    put(&w.out);
}

/* Each answered before the next. */
static void stream(void)
{
    char *line = NULL;
    size_t cap = 0;
    for (ssize_t n; (n = getline(&line, &cap, stdin)) > 0;) {
        arena a = {0};
        answer(0, json_parse(&a, line, (size_t)n, NULL, NULL));
        arena_free(&a);
    }
    free(line);
    _exit(0);
}

static void planner(void)
{
    text input = {0};
    char piece[4096];
    for (ssize_t n; (n = read(STDIN_FILENO, piece, sizeof piece)) > 0;) text_add_n(&input, piece, (size_t)n);
    arena a = {0};
    const json *trials = json_parse(&a, text_str(&input), input.n, NULL, NULL);
    for (size_t i = 0; i < trials->n; i++) answer(i, trials->items[i]);
    arena_free(&a);
    text_free(&input);
    _exit(0);
}

/* ---- trial ---- */

static volatile sig_atomic_t asked;

static void on_term(int number)
{
    (void)number;
    asked = 1;
}

static bool supervisor_gone(void)
{
    struct pollfd p = {3, POLLIN, 0};
    return poll(&p, 1, 0) > 0;
}

static int64_t read_number(const char *path)
{
    char *s = NULL;
    size_t n;
    if (file_read(path, 100, &s, &n, NULL) != CVY_OK) return 0;
    int64_t v = strtoll(s, NULL, 10);
    mem_free(s);
    return v;
}

static void end(journal *j, const char *state, int64_t step, const char *what, int code)
{
    record_end(j, state, step, what, NULL);
    journal_close(j);
    _exit(code);
}

/* By a learning rate: best at 0.1, and better with each epoch. */
static double accuracy_by(const char *lr, int64_t epoch)
{
    double x = strtod(lr, NULL) / 0.1;
    return (x > 1 ? 1 / x : x) * (double)(epoch + 2) / 6;
}

static void steps(journal *j, const char *checkpoint, const char *word, const char *lr, int64_t step,
                  int64_t until)
{
    long ms = !strcmp(word, "slow") ? 150 : !strcmp(word, "good") ? 1 : 5;
    while (step < 12) {
        step++;
        metric m = {"train_loss", 1.0 / (double)(step + 1)};
        record_metrics(j, "step", step, step / 4, &m, 1, NULL);
        if (step % 4 == 0) {
            metric e[] = {{"train_loss", m.value},
                          {"val_accuracy", lr          ? accuracy_by(lr, step / 4)
                                           : step == 8 ? 0.9
                                                       : 0.5}};
            record_metrics(j, "epoch", step, step / 4, e, 2, NULL);
        }
        const char *fails = getenv("FAKE_FAILS"); /* behind the first epoch, with this learning rate */
        if (fails && lr && step >= 6 && !strcmp(lr, fails))
            end(j, "failed", step, "the loss is not finite", 1);
        pause_ms(ms);
        bool stubborn = !strcmp(word, "stubborn");
        if (stubborn) {
            step = 1;
            pause_ms(50);
        }
        if (((asked || supervisor_gone()) || (until && step / 4 >= until)) &&
            !(stubborn && !supervisor_gone())) {
            char s[24];
            int n = snprintf(s, sizeof s, "%lld", (long long)step);
            file_replace(checkpoint, s, (size_t)n, NULL);
            end(j, "stopped", step, "on request", CVY_STOPPED);
        }
        if (step < 3) continue;
        if (!strcmp(word, "crash")) {
            fputs("something\nwent wrong in the plugin\n", stderr);
            fall(SIGSEGV);
        }
        if (!strcmp(word, "kill")) raise(SIGKILL);
        if (!strcmp(word, "exit")) _exit(0);
        if (!strcmp(word, "fail")) end(j, "failed", step, "the loss is not finite", 1);
        if (!strcmp(word, "mute")) _exit(5);
    }
    metric t = {"test_accuracy", 0.75};
    record_metrics(j, "run", step, 3, &t, 1, NULL);
    if (!strcmp(word, "late")) { /* falls over behind the finish */
        record_end(j, "finished", step, "", NULL);
        journal_close(j);
        fall(SIGABRT);
    }
    end(j, "finished", step, "", 0);
}

static void trial_child(const char *dir, int64_t until)
{
    struct sigaction s = {.sa_handler = on_term};
    sigaction(SIGTERM, &s, NULL);
    char *path = path_join(dir, "lock");
    if (file_lock(path, 10000, NULL) < 0) _exit(4);
    mem_free(path);
    arena a = {0};
    char *bytes = NULL;
    size_t n;
    path = path_join(dir, "run.json");
    if (file_read(path, 1 << 20, &bytes, &n, NULL) != CVY_OK) _exit(2);
    const json *overrides = json_get(json_parse(&a, bytes, n, NULL, NULL), "overrides");
    const char *word = word_of(overrides), *lr = lr_of(overrides);
    char *checkpoint = path_join(dir, "checkpoint");
    int64_t attempt = 1, from = read_number(checkpoint);
    char *name;
    for (;; attempt++) {
        name = mem_printf("%s/journal.%lld", dir, (long long)attempt);
        if (!file_exists(name)) break;
        mem_free(name);
    }
    journal *j = journal_create(name, NULL);
    if (!j) _exit(4);
    record_segment(j, attempt, from, "key", NULL);
    if (!strcmp(word, "once")) word = attempt > 1 ? "good" : "crash";
    steps(j, checkpoint, word, lr, from, until);
}

/* Of which trials are born, where FAKE_SERVER does not say after how many it dies. */
static void trial_server(int fd)
{
    const char *dies = getenv("FAKE_SERVER");
    serving q;
    for (int n = 0; serving_wait(fd, &q); n++) {
        if (dies && n >= atoi(dies)) raise(SIGKILL);
        if (serving_fork() == 0) {
            if (serving_become(fd, &q)) fake_child(q.argc, q.argv);
            _exit(9);
        }
        serving_free(&q);
    }
    _exit(0);
}

void fake_child(int argc, char **argv)
{
    if (argc > 3 && !strcmp(argv[1], "trial") && !strcmp(argv[2], "--serve")) trial_server(atoi(argv[3]));
    for (int i = 2; i < argc && !strcmp(argv[1], "planner"); i++)
        if (!strcmp(argv[i], "--stream")) stream();
    if (argc > 1 && !strcmp(argv[1], "planner")) planner();
    int64_t until = 0;
    for (int i = 3; i + 1 < argc; i++)
        if (!strcmp(argv[i], "--until")) until = strtoll(argv[i + 1], NULL, 10);
    if (argc > 2 && !strcmp(argv[1], "trial")) trial_child(argv[2], until);
}

book *fake_book(void)
{
    if (!told) told = book_new();
    return told;
}

trial fake_labelled(const char *word, const char *hash, const char *label, size_t config)
{
    trial t = {.config = (int32_t)config, .seed = 1};
    json_writer w = {0};
    plan p;
    char set[60];
    const char *const overrides[] = {set};
    const trial_words words = {label, overrides, 1};
    plan_line(&w, word, hash, 1, "key");
    assert_true(plan_read(text_str(&w.out), w.out.n - 1, &p));
    snprintf(set, sizeof set, "fake=%s", word);
    assert_int_equal(trial_plan(&t, &words, &p, fake_book(), NULL), CVY_OK);
    plan_free(&p);
    text_free(&w.out);
    return t;
}

trial fake_trial(const char *word, const char *hash)
{
    return fake_labelled(word, hash, word, 0);
}
