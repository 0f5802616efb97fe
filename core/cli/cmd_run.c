/* `convoy run`: trains one configuration, with one seed or several, on one fold or all; or looks for a learning rate. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "cli/launch.h"
#include "cli/lr_range_show.h"
#include "cli/outcome.h"
#include "cli/prepare.h"
#include "sweep/interrupt.h"
#include "sweep/runs.h"

typedef struct options {
    text_list set;
    bool again, base, find_lr;
    int64_t threads, workers, steps;
    const char *name, *from, *to;
} options;

static const option_row rows[] = {
    OPTION(options, set, 0, OPTION_TEXTS, "PATH=VALUE", "set a value of the file; PATH=VALUE alone does too"),
    OPTION(options, again, 0, OPTION_FLAG, NULL, "train even if the same was trained before"),
    OPTION(options, base, 0, OPTION_FLAG, NULL, "leave the file's `sweep:` aside"),
    OPTION(options, name, 0, OPTION_TEXT, "NAME", "call the experiment so"),
    OPTION_NUMBER(options, threads, 't', "N", 0, 0, 1024,
                  "compute threads of a run; 0: all cores, or 1 for several"),
    OPTION_NUMBER(options, workers, 'j', "N", 0, 0, 1024,
                  "runs at a time, for `repeats:` and `folds:`; 0: as many as fit"),
    OPTION(options, find_lr, 0, OPTION_FLAG, NULL,
           "learning-rate range test: a few steps at growing rates, and which rate they suggest"),
    OPTION(options, from, 0, OPTION_TEXT, "RATE", "with --find-lr: the first rate; default 1e-7"),
    OPTION(options, to, 0, OPTION_TEXT, "RATE", "with --find-lr: the last rate; default 10"),
    OPTION_NUMBER(options, steps, 0, "N", 0, 0, 100000, "with --find-lr: steps in between; default 100"),
};

static size_t count_known(const prepared *p, text *names)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n; i++) {
        if (p->trials[i].state != TRIAL_KNOWN) continue;
        text_printf(names, "%s%s", n++ ? ", " : "", trial_run_name(&p->trials[i]).s);
    }
    return n;
}

static void say_known(const common *c, const prepared *p)
{
    text names = {0};
    size_t n = count_known(p, &names);
    if (n == p->n)
        cli_say(c, "same as %s (finished): nothing trained; use --again", text_str(&names));
    else if (n)
        cli_say(c, "%zu of %zu %s are finished already: %s", n, p->n, p->x->folds ? "folds" : "seeds",
                text_str(&names));
    text_free(&names);
}

/* Runs that stand for what was asked keep the name they have: who gave another would look for it in vain. */
static void warn_name(const common *c, const prepared *p, const char *name, errors *e)
{
    for (size_t i = 0; name && i < p->n; i++) {
        arena a = {0};
        run_info r;
        errors unread = {0}; /* whoever shows the run says so */
        const trial_name run = trial_run_name(&p->trials[i]);
        const bool done = p->trials[i].state == TRIAL_KNOWN;
        if (p->trials[i].run && runs_read(c->results, run.s, &a, &r, &unread) == CVY_OK &&
            strcmp(r.experiment, name) != 0)
            errors_warn(e, NULL, "--again trains anew under that name",
                        "%s as %s, of experiment \"%s\": the name \"%s\" is not given",
                        done ? "already trained" : "begun before", run.s, r.experiment, name);
        errors_free(&unread);
        arena_free(&a);
    }
}

static void say_next(const common *c, const prepared *p, int code)
{
    text names = {0};
    for (size_t i = 0; i < p->n; i++)
        if (p->trials[i].run) text_printf(&names, " %s", trial_run_name(&p->trials[i]).s);
    if (code == CVY_OK && names.n) cli_say(c, "`convoy plot%s` draws the curves", text_str(&names));
    if (code == CVY_STOPPED && p->n == 1)
        cli_say(c, "`convoy resume%s` goes on", text_str(&names));
    else if (code == CVY_STOPPED)
        cli_say(c, "the same command again goes on");
    text_free(&names);
}

static int train(const common *c, const options *o, prepared *p)
{
    errors e = {0};
    const prepare_kind kind = o->base || o->find_lr ? PREPARE_BASE : PREPARE_RUN;
    if (o->find_lr) p->label = "learning-rate range test";
    cvy_status status = prepare_trials(p, c, kind, o->threads, false, &e);
    if (status == CVY_OK) status = prepare_match(p, c, o->again, &e);
    if (status == CVY_OK) warn_name(c, p, o->name, &e);
    int wrong = cli_fail(c, &e);
    if (status != CVY_OK) return wrong ? wrong : (int)status;
    say_known(c, p);
    launch_options lo = {.program = p->program,
                         .origin = {.results = c->results,
                                    .source = p->file,
                                    .metric = p->metric,
                                    .threads = p->threads,
                                    .book = p->book},
                         .limits = {.workers = o->workers}};
    status = launch_trials(c, &lo, p->trials, p->n, &e);
    int code = launch_code(status, p->trials, p->n);
    wrong = cli_fail(c, &e);
    if (!code) code = wrong;
    if (o->find_lr) return lr_range_show(c, &p->trials[0], code);
    if (c->json)
        outcome_json(c, p->book, p->trials, p->n, &p->metric, NULL, code);
    else
        outcome_runs(c, p->trials, p->n, &p->metric);
    say_next(c, p, code);
    return code;
}

/* `--find-lr` makes the run what train.lr_range says, of one seed and with the validation set left as it is. */
static void take_range(prepared *p, const options *o)
{
    const char **all = arena_array(&p->memory, p->n_overrides + 4, sizeof *all);
    text range = {0};
    text_printf(&range, "train.lr_range={steps: %lld", o->steps ? (long long)o->steps : 100);
    if (o->from) text_printf(&range, ", from: %s", o->from);
    if (o->to) text_printf(&range, ", to: %s", o->to);
    text_add(&range, "}");
    for (size_t i = 0; i < p->n_overrides; i++) all[i] = p->overrides[i];
    all[p->n_overrides++] = arena_text(&p->memory, text_str(&range));
    all[p->n_overrides++] = "repeats=1";
    all[p->n_overrides++] = "folds=null";
    all[p->n_overrides++] = "fold=null";
    text_free(&range);
    p->overrides = all;
}

/* A number above 0, so that what stands in the override is no more than that. */
static bool is_rate(const char *s)
{
    char *end = NULL;
    const double v = s ? strtod(s, &end) : 1;
    return !s || (end != s && !*end && v > 0 && v < 1e30 && strspn(s, "0123456789.eE+-") == strlen(s));
}

static int check_range(const command *self, const common *c, const options *o)
{
    if (!o->find_lr && (o->from || o->to || o->steps))
        return cli_usage(self, c, "--from, --to and --steps belong to --find-lr");
    if (!is_rate(o->from)) return cli_usage(self, c, "--from: \"%s\" is no learning rate", o->from);
    if (!is_rate(o->to)) return cli_usage(self, c, "--to: \"%s\" is no learning rate", o->to);
    return CVY_OK;
}

/* `--name` is the override experiment="NAME". */
static void take_name(prepared *p, const char *name)
{
    const char **all = arena_array(&p->memory, p->n_overrides + 1, sizeof *all);
    text quoted = {0};
    place nowhere = PLACE_NONE;
    tree_write_flow(tree_scalar(&p->memory, name, true, &nowhere), &quoted);
    for (size_t i = 0; i < p->n_overrides; i++) all[i] = p->overrides[i];
    all[p->n_overrides++] = arena_printf(&p->memory, "experiment=%s", text_str(&quoted));
    text_free(&quoted);
    p->overrides = all;
}

static int run(const command *self, const common *c, void *given, int argc, char **argv)
{
    const options *o = given;
    prepared p = {0};
    int code = check_range(self, c, o);
    if (code == CVY_OK && o->name && prepare_name_taken(o->name))
        code = cli_usage(self, c, "--name: \"%s\" could never be found: everywhere it means %s", o->name,
                         !strcmp(o->name, "last") ? "the last run" : "the run or sweep of that number");
    if (code == CVY_OK) code = prepare_operands(&p, self, c, &o->set, argc, argv);
    if (code == CVY_OK) {
        if (o->find_lr) take_range(&p, o);
        if (o->name) take_name(&p, o->name);
        interrupt_begin();
        code = train(c, o, &p);
        interrupt_end();
    }
    prepare_free(&p);
    return code;
}

const command cmd_run = {
    .name = "run",
    .summary = "Train the network of an experiment file",
    .usage = "convoy run FILE [PATH=VALUE ...]",
    .examples = "convoy run experiments/cifar10.yaml\n"
                "convoy run experiments/cifar10.yaml train.epochs=2 train.optimizer.lr=1e-2\n"
                "convoy run experiments/cifar10.yaml --find-lr\n"
                "convoy run experiments/cifar10.yaml --again --threads 2",
    .options = rows,
    .n_options = sizeof rows / sizeof *rows,
    .size = sizeof(options),
    .run = run,
};
