/* `convoy sweep`: trains every configuration of an experiment file's `sweep:`. */
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/forecast.h"
#include "cli/launch.h"
#include "cli/limits.h"
#include "cli/prepare.h"
#include "cli/results.h"
#include "cli/table.h"
#include "sweep/describe.h"
#include "sweep/interrupt.h"
#include "sweep/members.h"
#include "sweep/process.h"

typedef struct options {
    text_list set;
    bool again, dry_run, skip, no_probe;
    int64_t threads;
    limit_args limits;
} options;

static const option_row rows[] = {
    OPTION(options, set, 0, OPTION_TEXTS, "PATH=VALUE", "set a value of the file; PATH=VALUE alone does too"),
    OPTION(options, dry_run, 'n', OPTION_FLAG, NULL, "list the trials and train nothing"),
    OPTION(options, again, 0, OPTION_FLAG, NULL, "train even what was trained before"),
    OPTION(options, skip, 0, OPTION_FLAG, NULL, "leave out trials that cannot be planned"),
    OPTION(options, no_probe, 0, OPTION_FLAG, NULL, "--dry-run without timing a few steps"),
    LIMIT_ROWS(options, limits),
    OPTION_NUMBER(options, threads, 't', "N", 0, 0, 1024, "compute threads of a trial; 0: one"),
};

/* ---- the dry run ---- */

static const char *fate(const trial *t)
{
    if (t->state == TRIAL_KNOWN) return "known";
    if (t->state == TRIAL_REFUSED) return "cannot";
    if (t->state == TRIAL_OPEN) return "choose";
    return t->resumed ? "resume" : "train";
}

static void list_json(const prepared *p, const forecast *f)
{
    json_writer w = {0};
    json_open(&w, '{');
    json_key(&w, "trials");
    json_open(&w, '[');
    for (size_t i = 0; i < p->n; i++) {
        const trial *t = &p->trials[i];
        arena a = {0};
        plan planned = {0};
        const trial_words words = trial_read_words(t, p->book, &a);
        const json *line = trial_read_plan(t, p->book, &a);
        if (line) plan_take(line, &planned);
        json_open(&w, '{');
        json_put_int(&w, "trial", t->config);
        json_put_int(&w, "repeat", t->repeat);
        json_put_int(&w, "seed", t->seed);
        json_put_text(&w, "label", words.label);
        json_key(&w, "overrides");
        json_open(&w, '[');
        for (size_t k = 0; k < words.n_overrides; k++) json_text(&w, words.overrides[k]);
        json_close(&w, ']');
        json_put_text(&w, "would", fate(t));
        json_put_text(&w, "run", TRIAL_RUN(t));
        json_put_text(&w, "config_hash", planned.config_hash);
        json_put_int(&w, "parameters", planned.parameters);
        json_put_int(&w, "macs", planned.macs);
        json_put_int(&w, "epochs", planned.epochs);
        json_put_int(&w, "steps_per_epoch", planned.steps_per_epoch);
        json_put_int(&w, "memory_bytes", planned.memory_bytes);
        json_close(&w, '}');
        plan_free(&planned);
        arena_free(&a);
    }
    json_close(&w, ']');
    forecast_json(p, f, &w);
    json_close(&w, '}');
    cli_print_json(&w);
}

static void big_cell(table *t, int64_t v)
{
    text s = {0};
    results_big(&s, v);
    table_cell(t, text_str(&s));
    text_free(&s);
}

static void list_table(const common *c, const prepared *p)
{
    static const char *const titles[] = {"CONFIGURATION", "WOULD",      "RUN",  "TRIAL",        "SEED",
                                         "EPOCHS",        "PARAMETERS", "MACS", "MEMORY, BYTES"};
    table t = {0};
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        table_column(&t, titles[i], i < 3 ? TABLE_LEFT : TABLE_RIGHT);
    for (size_t i = 0; i < p->n; i++) {
        const trial *one = &p->trials[i];
        if (one->state == TRIAL_OPEN) continue;
        arena a = {0};
        plan planned = {0};
        const json *line = trial_read_plan(one, p->book, &a);
        if (line) plan_take(line, &planned);
        table_cell(&t, trial_read_words(one, p->book, &a).label);
        table_cell(&t, fate(one));
        table_cell(&t, trial_run_name(one).s);
        table_cellf(&t, "%lld", (long long)one->config);
        table_cellf(&t, "%lld", (long long)one->seed);
        table_cellf(&t, "%lld", (long long)planned.epochs);
        big_cell(&t, planned.parameters);
        big_cell(&t, planned.macs);
        big_cell(&t, planned.memory_bytes);
        plan_free(&planned);
        arena_free(&a);
    }
    text out = {0};
    table_write(&t, cli_colour(c, stdout), &out);
    cli_print(&out);
    text_free(&out);
    table_free(&t);
}

static void sweep_hash(const prepared *p, char hex[65])
{
    text asked = {0}; /* what the trials do not show */
    if (sweeps_adapt(&p->space)) tree_write_flow(node_get(p->x->root, "sweep"), &asked);
    sweeps_hash(p->trials, p->planned, &p->metric, asked.n ? text_str(&asked) : NULL, hex);
    text_free(&asked);
}

static int dry_run(const common *c, const options *o, prepared *p)
{
    errors e = {0};
    forecast f;
    char hash[65];
    cvy_status status = prepare_match(p, c, o->again, &e);
    if (status == CVY_OK) status = forecast_make(p, c, !o->no_probe, &f, &e);
    int code = cli_fail(c, &e);
    if (status != CVY_OK) return code;
    if (c->json)
        list_json(p, &f);
    else
        list_table(c, p);
    size_t waiting = 0;
    for (size_t i = 0; i < p->n; i++) waiting += p->trials[i].state == TRIAL_WAITING;
    text line = {0};
    describe_trials(p->n, p->x->repeats, experiment_members(p->x) / p->x->repeats, &line);
    text_add(&line, ", ");
    text_count(&line, (int64_t)waiting);
    text_add(&line, " to train");
    if (p->n > p->planned) text_printf(&line, ", %zu to be chosen when results are there", p->n - p->planned);
    cli_say(c, "%s, %lld thread%s each", text_str(&line), (long long)p->threads, p->threads > 1 ? "s" : "");
    text_free(&line);
    int64_t workers = supervise_workers(o->limits.workers, p->threads, process_cores());
    forecast_say(c, p, &f, workers > (int64_t)p->n ? (int64_t)p->n : workers);
    sweep_hash(p, hash);
    if (f.seconds > 0) forecast_keep(hash, f.seconds);
    return CVY_OK;
}

/* ---- the sweep ---- */

/* Moves the trials into the folder of a new sweep; what they point to stays with p. */
static sweep *create(const common *c, const options *o, prepared *p, const char *hash, errors *e)
{
    sweep *w = mem_alloc(sizeof *w);
    const bool adapts = sweeps_adapt(&p->space);
    const char **plugins = arena_array(&p->memory, c->plugin.n + 1, sizeof *plugins);
    for (size_t i = 0; i < c->plugin.n; i++) {
        char *path = path_absolute(c->plugin.items[i]);
        plugins[i] = arena_text(&p->memory, path);
        mem_free(path);
    }
    *w = (sweep){.experiment = p->x->name,
                 .source = p->file,
                 .hash = hash,
                 .description = p->space.description,
                 .overrides = p->overrides,
                 .n_overrides = p->n_overrides,
                 .metric = p->metric,
                 .configs = (int64_t)p->configs,
                 .repeats = p->x->repeats,
                 .threads = p->threads,
                 .again = o->again,
                 .trials = p->trials,
                 .n = p->n,
                 .book = p->book,
                 .x = p->x,
                 .space = p->space,
                 .estimate = forecast_kept(hash),
                 .per = adapts ? (int64_t)members_count(p->x) : 0,
                 .file = mem_text(p->file),
                 .base_dir = p->x->dir,
                 .plugins = plugins,
                 .n_plugins = c->plugin.n,
                 .lock = -1};
    w->points = arena_array(&w->memory, p->configs + 1, sizeof *w->points);
    for (size_t i = 0; adapts && i < p->configs; i++)
        if (p->trials[i * (size_t)w->per].state != TRIAL_OPEN) w->points[i] = p->points + i * p->space.n;
    p->trials = NULL;
    p->book = NULL;
    p->n = 0;
    if (sweeps_create(w, c->results, launch_last_number(c, 's'), &p->space, e) == CVY_OK) return w;
    sweeps_close(w);
    return NULL;
}

/* The sweep that these trials are: one that was begun before, or a new one. */
static sweep *open_sweep(const common *c, const options *o, prepared *p, errors *e)
{
    char hash[65];
    sweep_hash(p, hash);
    const char *before = o->again ? NULL : sweeps_find(c->results, hash, &p->memory);
    /* Under another build or number of threads it would not be the same. */
    if (before && sweeps_is_like(c->results, before, p->threads, p->trials, p->planned)) {
        for (size_t i = 0; i < p->n; i++)
            trial_free(&p->trials[i]); /* there may be very many, and it has them too */
        mem_free(p->trials);
        p->trials = NULL;
        p->n = p->planned = 0;
        return sweeps_open(c->results, before, e);
    }
    if (prepare_match(p, c, o->again, e) != CVY_OK) return NULL;
    return create(c, o, p, arena_text(&p->memory, hash), e);
}

static int train(const common *c, const options *o, prepared *p)
{
    errors e = {0};
    launch_limits limits;
    if (!limits_read(c, &o->limits, &limits)) return CVY_ERR_CONFIG;
    cvy_status status = prepare_trials(p, c, PREPARE_SWEEP, o->threads, o->skip, &e);
    int wrong = cli_fail(c, &e);
    if (status != CVY_OK) return wrong ? wrong : (int)status;
    if (o->dry_run) return dry_run(c, o, p);
    sweep *w = open_sweep(c, o, p, &e);
    wrong = cli_fail(c, &e);
    if (!w) return wrong;
    int code = launch_sweep(c, w, p->program, &limits, 0);
    sweeps_close(w);
    return code;
}

static int run(const command *self, const common *c, void *given, int argc, char **argv)
{
    const options *o = given;
    prepared p = {0};
    int code = prepare_operands(&p, self, c, &o->set, argc, argv);
    if (code == CVY_OK) {
        interrupt_begin();
        code = train(c, o, &p);
        interrupt_end();
    }
    prepare_free(&p);
    return code;
}

const command cmd_sweep = {
    .name = "sweep",
    .summary = "Train every configuration of an experiment file's `sweep:`",
    .usage = "convoy sweep FILE [PATH=VALUE ...]",
    .examples = "convoy sweep experiments/quickstart.yaml\n"
                "convoy sweep experiments/quickstart.yaml --dry-run\n"
                "convoy sweep experiments/quickstart.yaml --workers 4 train.epochs=5",
    .options = rows,
    .n_options = sizeof rows / sizeof *rows,
    .size = sizeof(options),
    .run = run,
};
