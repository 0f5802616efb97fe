/* Owns the command line's side of running trials; must not know how a file became trials, nor how results are
 * shown. */
#include "cli/launch.h"

#include "base/file.h"
#include "base/memory.h"
#include "cli/news.h"
#include "cli/outcome.h"
#include "cli/places.h"
#include "cli/prepare.h"
#include "cli/results.h"
#include "sweep/describe.h"
#include "sweep/process.h"

static size_t waiting(const trial *trials, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) count += trials[i].state == TRIAL_WAITING;
    return count;
}

int64_t launch_last_number(const common *c, char kind)
{
    errors found = {0}; /* the supervisor's own recorder will say it */
    recorder *r = recorder_open(c->results);
    int64_t last = file_is_dir(c->results) ? recorder_last_number(r, kind, &found) : 0;
    recorder_close(r);
    errors_free(&found);
    return last;
}

/* Who is told what happens. */
typedef struct audience {
    news talk;
    sweep *sweep;
} audience;

static void note(const common *c, sweep *w, const char *kind, const trial *t, const char *what)
{
    errors found = {0};
    text line = {0};
    const char *label = trial_label(t);
    text_printf(&line, "%s%s%s%s%s", trial_run_name(t).s, t->run && *label ? " " : "", label,
                what ? ": " : "", what ? what : "");
    if (sweeps_event(w, kind, text_str(&line), &found) != CVY_OK) cli_fail(c, &found);
    text_free(&line);
}

static void decided(const common *c, sweep *w, const trial *t)
{
    errors found = {0};
    const char *how = t->state == TRIAL_KNOWN ? "known" : t->resumed ? "resumed" : "new";
    /* The run's own description says the same: without this record nothing is lost. */
    if (sweeps_decide(w, t, how, &found) != CVY_OK) cli_fail(c, &found);
}

static void tell(void *ctx, supervise_news what, const trial *t, errors *warnings)
{
    audience *a = ctx;
    const common *c = a->talk.c;
    if (a->sweep && what == SUPERVISE_STARTED) decided(c, a->sweep, t);
    if (a->sweep && what == SUPERVISE_ENDED && t->state == TRIAL_KNOWN) decided(c, a->sweep, t);
    if (a->sweep && what == SUPERVISE_ENDED && t->state == TRIAL_PRUNED) {
        char *after = mem_printf("after epoch %lld", (long long)t->until);
        note(c, a->sweep, "stopped early", t, after);
        mem_free(after);
    }
    if (a->sweep && what == SUPERVISE_ENDED && t->cut && t->why) note(c, a->sweep, "limit", t, t->why);
    if (a->sweep && what == SUPERVISE_RETRY) note(c, a->sweep, "retry", t, t->why);
    news_tell(&a->talk, what, t, warnings);
}

/* As many as the cores carry and, unless the user knows better, the memory. Results do not depend on it. */
static int64_t workers(const common *c, const launch_options *o, const trial *trials, size_t n)
{
    int64_t wanted = supervise_workers(o->limits.workers, o->origin.threads, process_cores()), most = 0;
    for (size_t i = 0; i < n; i++)
        if (trials[i].state == TRIAL_WAITING && (int64_t)trials[i].memory_kib * 1024 > most)
            most = (int64_t)trials[i].memory_kib * 1024;
    if (wanted > (int64_t)n) wanted = (int64_t)n;
    if (o->limits.workers) return wanted;
    int64_t fitting = supervise_fitting(wanted, most, process_memory());
    if (fitting < wanted)
        cli_say(c, "%lld trials at a time instead of %lld: a trial takes %lld MiB of memory",
                (long long)fitting, (long long)wanted, (long long)(most >> 20));
    return fitting;
}

cvy_status launch_trials(const common *c, const launch_options *o, trial *trials, size_t n, errors *e)
{
    if (!o->agenda && !waiting(trials, n)) return CVY_OK;
    cvy_status status = file_make_dirs(c->results, e);
    if (status != CVY_OK) return status;
    trial_origin origin = o->origin;
    origin.least = launch_last_number(c, 'r');
    audience a = {news_open(c, trials, n, origin.book, o->sweep ? o->sweep->name : NULL), o->sweep};
    supervise_options so = {.program = o->program,
                            .origin = &origin,
                            .threads = origin.threads,
                            .pin = !o->limits.free_cores,
                            .timeout = o->limits.timeout,
                            .memory_limit = o->limits.memory,
                            .retries = o->limits.retries,
                            .fail_fast = o->limits.fail_fast,
                            .recorder = recorder_open(c->results),
                            .sweep_dir = o->sweep ? o->sweep->dir : NULL,
                            .tell = tell,
                            .ctx = &a};
    so.workers = workers(c, o, trials, n);
    if (o->sweep) a.talk.metric = o->sweep->metric;
    status = o->agenda ? supervise_agenda(&so, o->agenda, e) : supervise_run(&so, trials, n, e);
    news_close(&a.talk);
    recorder_close(so.recorder);
    return status;
}

static void add_trials(const sweep *w, text *line)
{
    size_t per = 0;
    while (per < w->n && w->trials[per].config == w->trials[0].config) per++;
    describe_trials(w->n, w->repeats, w->repeats > 0 ? (int64_t)per / w->repeats : 1, line);
}

static void say_begin(const common *c, const sweep *w)
{
    size_t done = 0, resumed = 0, later = 0, open = waiting(w->trials, w->n);
    for (size_t i = 0; i < w->n; i++) {
        done += w->trials[i].state == TRIAL_KNOWN;
        later += w->trials[i].state == TRIAL_OPEN;
        resumed += w->trials[i].state == TRIAL_WAITING && w->trials[i].resumed;
    }
    text line = {0};
    text_printf(&line, "%s: ", w->name);
    add_trials(w, &line);
    if (done) text_printf(&line, ", %zu finished", done);
    if (resumed) text_printf(&line, ", %zu resumed", resumed);
    if (later) text_printf(&line, ", %zu chosen as results come", later);
    if (!open && !later) text_add(&line, ": nothing trained; `convoy sweep --again` trains anew");
    cli_say(c, "%s", text_str(&line));
    text_free(&line);
}

/* What makes the outcome depend on more than the file. `whole`: the sweep came to its end, so what is open is open for good. */
static void say_flags(const common *c, sweep *w, bool whole)
{
    size_t cut = 0, open = 0;
    for (size_t i = 0; i < w->n; i++) {
        cut += w->trials[i].cut;
        open += w->trials[i].state == TRIAL_OPEN;
    }
    if (w->per > 0 && w->space.early.kind == EARLY_ASHA)
        cli_say(c, "which trials `asha` stops early depends on which others were there first: another time "
                   "it may be others");
    if (cut)
        cli_say(c,
                "%zu trial%s met a limit or %s tried again: outside the promise that the outcome is the same "
                "again",
                cut, cut > 1 ? "s" : "", cut > 1 ? "were" : "was");
    if (whole && open && w->space.has_target) {
        cli_say(c, "%zu trial%s not needed: the target was reached", open, open > 1 ? "s were" : " was");
        sweeps_event(w, "target", "reached: no more configurations were begun", NULL);
    }
}

/* How good the estimate was, for those who plan the next sweep by it. */
static void say_estimate(const common *c, sweep *w)
{
    double took = 0;
    if (w->estimate <= 0) return;
    for (size_t i = 0; i < w->n; i++)
        if (trial_is_done(&w->trials[i]) && !w->trials[i].borrowed) took += (double)w->trials[i].took;
    text line = {0};
    text_add(&line, "the trials took ");
    results_duration(&line, took);
    text_add(&line, " together, estimated were ");
    results_duration(&line, w->estimate);
    if (took > 0) text_printf(&line, " (%+.0f %%)", 100 * (w->estimate - took) / took);
    cli_say(c, "%s", text_str(&line));
    sweeps_event(w, "estimate", text_str(&line), NULL);
    text_free(&line);
}

/* NULL where the trials are a list. */
static agenda *open_agenda(const common *c, sweep *w, agenda_options *o, errors *e)
{
    if (w->per <= 0) return NULL;
    if (sweeps_read_space(w, places_architectures(), e) != CVY_OK) return NULL;
    *o = (agenda_options){.results = c->results,
                          .planning = {.program = o->planning.program,
                                       .file = w->file,
                                       .base = w->base_dir,
                                       .plugins = w->plugins,
                                       .n_plugins = w->n_plugins,
                                       .threads = w->threads,
                                       .patience = prepare_patience()},
                          .known = o->known};
    return agenda_sweep(w, o);
}

int launch_sweep(const common *c, sweep *w, const char *program, const launch_limits *limits, int wait_ms)
{
    errors e = {0};
    double begun = process_now();
    if (!sweeps_begin(w, wait_ms, &e)) {
        if (!e.n)
            errors_add(&e, CVY_ERR_CONFIG, NULL, "`convoy stop` stops it",
                       "%s is being worked on by another process", w->name);
        return cli_fail(c, &e);
    }
    agenda_options ao = {.planning = {.program = program}, .known = known_open(c->results)};
    sweeps_match(w, c->results, ao.known);
    for (size_t i = 0; i < w->n; i++)
        if (w->trials[i].state == TRIAL_KNOWN) decided(c, w, &w->trials[i]);
    say_begin(c, w);
    launch_options o = {.program = program,
                        .origin = {.results = c->results,
                                   .source = w->source,
                                   .sweep = w->name,
                                   .metric = w->metric,
                                   .threads = w->threads,
                                   .book = w->book},
                        .limits = *limits,
                        .sweep = w,
                        .agenda = open_agenda(c, w, &ao, &e)};
    const bool known_later = o.agenda != NULL; /* by then trials may be chosen that are known */
    if (!known_later) known_close(ao.known);
    cvy_status status =
        e.n && errors_count(&e) ? errors_status(&e) : launch_trials(c, &o, w->trials, w->n, &e);
    agenda_free(o.agenda);
    if (known_later) known_close(ao.known);
    int code = launch_code(status, w->trials, w->n);
    say_flags(c, w, status == CVY_OK && code != CVY_STOPPED);
    if (code == CVY_OK || code == CVY_ERR_SOME) say_estimate(c, w);
    sweeps_end(w, code, process_now() - begun, &e);
    int problems = cli_fail(c, &e);
    if (c->json)
        outcome_json(c, w->book, w->trials, w->n, &w->metric, w->name, code);
    else
        outcome_sweep(c, w);
    if (code == CVY_STOPPED) cli_say(c, "`convoy resume %s` goes on", w->name);
    size_t whole = 0; /* of a sweep whose trials all failed there is little to draw */
    for (size_t i = 0; i < w->n; i++) whole += trial_is_done(&w->trials[i]);
    if (whole && (code == CVY_OK || code == CVY_ERR_SOME))
        cli_say(c, "`convoy plot %s` draws the curves", w->name);
    return code ? code : problems;
}

int launch_code(cvy_status launched, const trial *trials, size_t n)
{
    size_t failed = 0, stopped = 0;
    cvy_status worst = CVY_OK;
    for (size_t i = 0; i < n; i++) {
        const trial *t = &trials[i];
        stopped += t->state == TRIAL_STOPPED || t->state == TRIAL_PAUSED;
        if (t->state != TRIAL_FAILED && t->state != TRIAL_KILLED) continue;
        failed++;
        worst = t->status ? t->status : CVY_ERR_RUN;
    }
    if (launched != CVY_OK) return (int)launched;
    if (failed) return n == 1 ? (int)worst : CVY_ERR_SOME;
    return stopped ? CVY_STOPPED : CVY_OK;
}
