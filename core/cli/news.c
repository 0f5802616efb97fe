/* Owns how training trials are talked about; must not know how they are run. */
#include "cli/news.h"

#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/results.h"
#include "sweep/process.h"

news news_open(const common *c, const trial *trials, size_t n, const book *b, const char *of)
{
    news s = {.c = c, .bar = progress_open(c, "images"), .trials = trials, .n = n, .book = b, .of = of};
    s.told = mem_array(n + 1, sizeof *s.told);
    s.counted = mem_array(n + 1, sizeof *s.counted);
    s.screen = live_open(c);
    s.screen.on = s.screen.on && n > 1;
    if (s.screen.on) s.bar.on = false;
    for (size_t i = 0; i < n; i++) {
        s.told[i] = trials[i].epoch; /* of earlier attempts */
        s.counted[i] = trials[i].state == TRIAL_KNOWN || trials[i].state == TRIAL_REFUSED;
        s.ended += s.counted[i];
    }
    return s;
}

void news_close(news *n)
{
    progress_clear(&n->bar);
    live_clear(&n->screen);
    mem_free(n->told);
    mem_free(n->counted);
    *n = (news){0};
}

/* ---- the bar ---- */

static int64_t images_all(const trial *t)
{
    return trial_facts(t)->epochs * trial_facts(t)->train_samples;
}

static int64_t images_done(const trial *t)
{
    int64_t all = images_all(t), steps = trial_facts(t)->epochs * trial_facts(t)->steps_per_epoch;
    if (t->state != TRIAL_RUNNING && t->state != TRIAL_WAITING) return all; /* nothing more is to come */
    if (!t->journals || steps <= 0) return 0;
    double share = (double)t->journals->step / (double)steps;
    return (int64_t)(share * (double)all);
}

static void add_metric(text *out, const char *shown, const follow_set *set, const char *name)
{
    const follow_point *p = follow_last(set, name);
    if (!p) return;
    text_printf(out, " %s ", shown);
    results_metric(out, name, p->value);
}

static void one_label(text *out, const trial *t)
{
    const follow *f = t->journals;
    const int64_t epochs = trial_facts(t)->epochs, epoch = f->epoch < epochs ? f->epoch + 1 : epochs;
    text_printf(out, "%s epoch %lld/%lld", trial_run_name(t).s, (long long)epoch, (long long)epochs);
    add_metric(out, "loss", f->steps.n ? &f->steps : &f->epochs, "train_loss");
    /* One of them, so that rate and time left find room on a line of 80. */
    const bool classes = follow_last(&f->epochs, "train_accuracy") != NULL;
    const char *own = classes ? "val_accuracy" : "val_loss";
    const bool validated = follow_last(&f->epochs, own) != NULL;
    add_metric(out, validated ? "val" : "acc", &f->epochs, validated ? own : "train_accuracy");
}

static live_trial trial_at(const void *of, size_t i)
{
    const trial *t = &((const news *)of)->trials[i];
    const book_facts *f = trial_facts(t);
    return (live_trial){.run = trial_run_name(t),
                        .f = t->journals,
                        .state = t->state,
                        .epochs = f->epochs,
                        .steps_per_epoch = f->steps_per_epoch,
                        .samples = f->train_samples,
                        .best = trial_value(t),
                        .best_epoch = t->best_epoch};
}

static void label_at(const void *of, size_t i, text *out)
{
    const news *n = of;
    const trial *t = &n->trials[i];
    arena a = {0};
    text_add(out, t->open ? trial_label(t) : trial_read_words(t, n->book, &a).label);
    arena_free(&a);
}

static void draw_board(news *n)
{
    if (process_now() - n->screen.drawn < 0.25) return;
    const live_board board = {.name = n->of ? n->of : "",
                              .experiment = trial_facts(n->trials)->experiment,
                              .metric = n->metric.name ? n->metric : space_default_metric,
                              .at = trial_at,
                              .label = label_at,
                              .of = n,
                              .n = n->n};
    live_draw(&n->screen, n->c, &board, true);
}

static void draw(news *n)
{
    if (n->screen.on) draw_board(n);
    if (!n->bar.on) return;
    for (size_t i = 0; i < n->n; i++) {
        const trial *t = &n->trials[i];
        if (t->state != TRIAL_RUNNING) continue;
        text label = {0};
        one_label(&label, t);
        progress_update(&n->bar, images_done(t), images_all(t), text_str(&label));
        text_free(&label);
    }
}

/* ---- lines ---- */

/* The point of an epoch; NULL when there is none. */
static const follow_point *at_epoch(const follow_metric *m, int64_t epoch)
{
    for (size_t k = m->n; k-- > 0;)
        if (m->points[k].epoch == epoch) return &m->points[k];
    return NULL;
}

static void epoch_line(const news *n, const trial *t, int64_t epoch)
{
    const follow *f = t->journals;
    text line = {0};
    text_printf(&line, "%s epoch %lld/%lld:", trial_run_name(t).s, (long long)epoch,
                (long long)trial_facts(t)->epochs);
    bool first = true;
    for (size_t i = 0; i < f->epochs.n; i++) {
        const follow_metric *m = &f->epochs.items[i];
        const follow_point *p = at_epoch(m, epoch);
        if (!p || text_ends(m->name, "_top5_accuracy")) continue;
        text_printf(&line, "%s %s ", first ? "" : ",", m->name);
        if (!strcmp(m->name, "lr"))
            text_printf(&line, "%.4g", p->value);
        else
            results_metric(&line, m->name, p->value);
        first = false;
    }
    for (size_t i = 0; i < f->measured.n; i++) {
        const follow_point *p = at_epoch(&f->measured.items[i], epoch);
        if (!p || strcmp(f->measured.items[i].name, "images_per_second") != 0) continue;
        text_add(&line, ", ");
        text_count(&line, (int64_t)(p->value + 0.5));
        text_add(&line, " images/s");
    }
    cli_say(n->c, "%s", text_str(&line));
    text_free(&line);
}

static void epochs(news *n, const trial *t)
{
    size_t i = (size_t)(t - n->trials);
    const follow *f = t->journals;
    if (!f) return;
    const bool wanted = !n->bar.on && !n->screen.on && (n->n == 1 || n->c->verbose);
    while (n->told[i] < f->epoch) {
        n->told[i]++;
        if (wanted) epoch_line(n, t, n->told[i]);
    }
}

static void started(const news *n, const trial *t)
{
    const char *label = *trial_label(t) ? trial_label(t) : trial_facts(t)->experiment;
    if (n->n > 1 && !n->c->verbose) return;
    if (t->resumed)
        cli_say(n->c, "%s (%s) continues from step %lld", trial_run_name(t).s, label,
                (long long)t->journals->step);
    else
        cli_say(n->c, "%s (%s) starts", trial_run_name(t).s, label);
}

/* Where more is said; of a crash without a last word, how to find its place. */
static void add_output(const trial *t, text *hint)
{
    if (!t->dir) return;
    char *output = path_join(t->dir, "output.txt");
    if (file_size(output) != 0)
        text_printf(hint, "see %s", output);
    else if (strstr(t->why, "signal") && !strstr(t->why, "SIGKILL") && !strstr(t->why, "signal 9"))
        text_add(hint, "`convoy plugin check --sanitize NAME.c` finds such faults in a plugin of your own");
    else
        text_printf(hint, "%s is empty", output);
    mem_free(output);
}

/* Why is an error, told even to those who want no talk. A trial's own words may hold a hint in a line of its own. */
static void tell_why(const news *n, const trial *t)
{
    errors e = {0};
    static const char mark[] = "hint: ";
    const char *newline = strchr(t->why, '\n'), *given = newline ? strstr(newline, mark) : NULL;
    char *first = newline ? mem_text_n(t->why, (size_t)(newline - t->why)) : mem_text(t->why);
    text why = {0}, hint = {0};
    text_safe(&why, first, 1000);
    if (given) {
        char *line = mem_text_n(given + sizeof mark - 1, strcspn(given + sizeof mark - 1, "\n"));
        text_safe(&hint, line, 1000);
        text_char(&hint, '\n');
        mem_free(line);
    }
    add_output(t, &hint);
    const bool labelled = n->n > 1 && *trial_label(t);
    errors_add(&e, t->status, NULL, hint.n ? text_str(&hint) : NULL, "%s%s%s%s %s: %s",
               t->run ? trial_run_name(t).s : "a trial", labelled ? " (" : "", labelled ? trial_label(t) : "",
               labelled ? ")" : "", trial_state_name(t->state), text_str(&why));
    text_free(&why);
    text_free(&hint);
    mem_free(first);
    cli_fail(n->c, &e);
}

static void ended(news *n, const trial *t)
{
    /* One that was known may be told of too: it stands for another, or is cut. */
    bool *counted = &n->counted[t - n->trials];
    n->ended += !*counted;
    *counted = true;
    if (t->why) tell_why(n, t);
    if (n->n == 1 || t->why) return; /* of one, the outcome follows */
    text line = {0};
    text_printf(&line, "%s %zu/%zu", t->run ? trial_run_name(t).s : "-", n->ended, n->n);
    if (*trial_label(t)) text_printf(&line, " %s", trial_label(t));
    text_printf(&line, ": %s", trial_state_name(t->state));
    if (t->state == TRIAL_PRUNED) {
        text_printf(&line, " after epoch %lld of %lld", (long long)t->until,
                    (long long)trial_facts(t)->epochs);
        const char *own = n->metric.name;
        double v = trial_value(t);
        if (own && v == v) {
            text_printf(&line, " %s ", own);
            results_metric(&line, own, v);
        }
    }
    if (t->state == TRIAL_FINISHED && t->journals) {
        text_add(&line, " in ");
        results_duration(&line, t->seconds);
        const bool classes = follow_last(&t->journals->epochs, "train_accuracy") != NULL;
        const char *const told[] = {classes ? "val_accuracy" : "val_loss",
                                    classes ? "test_accuracy" : "test_loss"};
        add_metric(&line, told[0], &t->journals->epochs, told[0]);
        add_metric(&line, told[1], &t->journals->whole, told[1]);
    }
    cli_say(n->c, "%s", text_str(&line));
    text_free(&line);
}

void news_tell(void *ctx, supervise_news what, const trial *t, errors *warnings)
{
    news *n = ctx;
    if (what != SUPERVISE_PROGRESS) progress_clear(&n->bar), live_clear(&n->screen);
    switch (what) {
    case SUPERVISE_STARTED:
        started(n, t);
        break;
    case SUPERVISE_PROGRESS:
        epochs(n, t);
        break;
    case SUPERVISE_ENDED:
        epochs(n, t);
        ended(n, t);
        break;
    case SUPERVISE_PAUSED:
    case SUPERVISE_CONTINUES:
        epochs(n, t);
        break;
    case SUPERVISE_RETRY:
        cli_say(n->c, "%s (%s) is begun again: %s", trial_run_name(t).s, trial_label(t),
                t->why ? t->why : "it failed");
        break;
    case SUPERVISE_STOPPING:
        cli_say(n->c, "stopping after this step with a checkpoint; once more stops at once");
        break;
    case SUPERVISE_WARNING:
        cli_fail(n->c, warnings);
        break;
    }
    draw(n);
}
