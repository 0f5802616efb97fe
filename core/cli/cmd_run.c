/* `convoy run`: trains one configuration, with one seed or several. */
#include <string.h>

#include "base/memory.h"
#include "cli/launch.h"
#include "cli/outcome.h"
#include "cli/prepare.h"
#include "sweep/interrupt.h"

typedef struct options {
    text_list set;
    bool again, base;
    int64_t threads, workers;
    const char *name;
} options;

static const option_row rows[] = {
    OPTION(options, set, 0, OPTION_TEXTS, "PATH=VALUE", "set a value of the file; PATH=VALUE alone does too"),
    OPTION(options, again, 0, OPTION_FLAG, NULL, "train even if the same was trained before"),
    OPTION(options, base, 0, OPTION_FLAG, NULL, "leave the file's `sweep:` aside"),
    OPTION(options, name, 0, OPTION_TEXT, "NAME", "call the experiment so"),
    OPTION_NUMBER(options, threads, 't', "N", 0, 0, 1024,
                  "compute threads of a run; 0: all cores, or 1 for several"),
    OPTION_NUMBER(options, workers, 'j', "N", 0, 0, 1024,
                  "runs at a time, for `repeats:`; 0: as many as fit"),
};

static size_t count_known(const prepared *p, text *names)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n; i++) {
        if (p->trials[i].state != TRIAL_KNOWN) continue;
        text_printf(names, "%s%s", n++ ? ", " : "", p->trials[i].run);
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
        cli_say(c, "%zu of %zu seeds are finished already: %s", n, p->n, text_str(&names));
    text_free(&names);
}

static void say_next(const common *c, const prepared *p, int code)
{
    text names = {0};
    for (size_t i = 0; i < p->n; i++)
        if (p->trials[i].run) text_printf(&names, " %s", p->trials[i].run);
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
    cvy_status status = prepare_trials(p, c, o->base ? PREPARE_BASE : PREPARE_RUN, o->threads, false, &e);
    if (status == CVY_OK) status = prepare_match(p, c, o->again, &e);
    int wrong = cli_fail(c, &e);
    if (status != CVY_OK) return wrong ? wrong : (int)status;
    say_known(c, p);
    launch_options lo = {
        .program = p->program,
        .origin = {.results = c->results, .source = p->file, .metric = p->metric, .threads = p->threads},
        .workers = o->workers};
    status = launch_trials(c, &lo, p->trials, p->n, &e);
    int code = launch_code(status, p->trials, p->n);
    wrong = cli_fail(c, &e);
    if (!code) code = wrong;
    if (c->json)
        outcome_json(p->trials, p->n, &p->metric, NULL, code);
    else
        outcome_runs(c, p->trials, p->n, &p->metric);
    say_next(c, p, code);
    return code;
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
    int code = prepare_operands(&p, self, c, &o->set, argc, argv);
    if (code == CVY_OK) {
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
                "convoy run experiments/cifar10.yaml --again --threads 2",
    .options = rows,
    .n_options = sizeof rows / sizeof *rows,
    .size = sizeof(options),
    .run = run,
};
