/* Owns the command line's side of running trials; must not know how a file became trials, nor how results are shown. */
#include "cli/launch.h"

#include "cli/news.h"
#include "sweep/process.h"

static size_t waiting(const trial *trials, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) count += trials[i].state == TRIAL_WAITING;
    return count;
}

cvy_status launch_trials(const common *c, const launch_options *o, trial *trials, size_t n, errors *e)
{
    if (!waiting(trials, n)) return CVY_OK;
    errors warnings = {0};
    trial_origin origin = o->origin;
    recorder *r = recorder_open(c->results);
    /* Without the folder there is no database to ask, and none is to be made before a run is. */
    origin.least = recorder_last_number(r, 'r', &warnings);
    cli_fail(c, &warnings);
    news talk = news_open(c, trials, n, o->sweep ? o->sweep->name : NULL);
    supervise_options so = {.program = o->program,
                            .origin = &origin,
                            .threads = origin.threads,
                            .recorder = r,
                            .sweep_dir = o->sweep ? o->sweep->dir : NULL,
                            .tell = news_tell,
                            .ctx = &talk};
    so.workers = supervise_workers(o->workers, so.threads, process_cores());
    cvy_status status = supervise_run(&so, trials, n, e);
    news_close(&talk);
    recorder_close(r);
    return status;
}

int launch_code(cvy_status launched, const trial *trials, size_t n)
{
    size_t failed = 0, stopped = 0;
    cvy_status worst = CVY_OK;
    for (size_t i = 0; i < n; i++) {
        const trial *t = &trials[i];
        stopped += t->state == TRIAL_STOPPED;
        if (t->state != TRIAL_FAILED && t->state != TRIAL_KILLED) continue;
        failed++;
        worst = t->status ? t->status : CVY_ERR_RUN;
    }
    if (launched != CVY_OK) return (int)launched;
    if (failed) return n == 1 ? (int)worst : CVY_ERR_SOME;
    return stopped ? CVY_STOPPED : CVY_OK;
}
