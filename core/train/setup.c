/* Turns an experiment into checked pieces. Must not train. */
#include "train/setup_own.h"

#include <string.h>

#include "base/digest.h"
#include "base/file.h"
#include "config/params_table.h"
#include "convoy/loss.h"
#include "convoy/optimizer.h"
#include "plugin/host.h"
#include "train/data_card.h"
#include "train/initialiser.h"
#include "train/loader.h"
#include "train/schedule.h"
#include "train/sizes.h"
#include "train/steps.h"
#include "train/wrapped.h"
#include "train/weights.h"

enum { SETUP_AT_ONCE = 1024 }; /* samples, under batch_size: all; as settings.c says */

const plugin_request *setup_plugins(const experiment *x, const char *const *extra, size_t n_extra, arena *a,
                                    size_t *n, errors *e)
{
    const node *list = node_get(x->root, "plugins");
    size_t own = list && list->kind == NODE_LIST ? list->n : 0;
    plugin_request *r = arena_array(a, own + n_extra + 1, sizeof *r);
    *n = 0;
    for (size_t i = 0; i < own; i++) {
        const char *path = NULL;
        if (!node_string(list->items[i], &path, e)) continue;
        char *whole = path_join(x->dir, path);
        r[(*n)++] = (plugin_request){arena_text(a, whole), list->items[i]->at};
        mem_free(whole);
    }
    for (size_t i = 0; i < n_extra; i++) r[(*n)++] = (plugin_request){extra[i], PLACE_NONE};
    return r;
}

static const cvy_descriptor *setup_find(void *ctx, uint32_t kind, const char *name, const place *at,
                                        errors *e)
{
    return registry_find(ctx, kind, name, at, e);
}

/* The plugin of a single slot and its configuration. */
static const cvy_descriptor *setup_child(setup *s, const char *key, uint32_t kind, const params_env *env,
                                         const void **config, errors *e)
{
    item one;
    const node *slot = node_get(s->x->root, key);
    if (!slot || !item_read(&s->memory, slot, false, &one, e)) return NULL;
    const cvy_descriptor *d = registry_find(s->registry, kind, one.type, &one.type_at, e);
    if (!d) return NULL;
    errors_push(e, "%s (%s)", key, d->name);
    *config = params_make(&s->memory, d, one.params, env, e);
    errors_pop(e);
    return *config ? d : NULL;
}

/* Under cross-validation the fold is what is validated on. A file with folds that is no run of one of them is looked at as
 * its first. */
static cvy_status setup_folds(setup *s, const node *dataset, errors *e)
{
    const node *given = node_get(dataset, "validation");
    data_settings *d = &s->data_settings;
    if (!s->x->folds) return CVY_OK;
    d->folds = s->x->folds;
    d->fold = s->x->fold ? s->x->fold : 1;
    d->validation = 0;
    if (!given || node_is_null(given)) return CVY_OK;
    return errors_add(e, CVY_ERR_CONFIG, &given->at, "leave out one of the two",
                      "dataset.validation: with `folds: %lld` each run is validated on its fold",
                      (long long)s->x->folds);
}

/* An accuracy of so few samples moves in steps that hide what training does. */
static void setup_check_held(const setup *s, const node *dataset, const place *at, errors *e)
{
    enum { FEW = 10 };
    const node *given = node_get(dataset, "validation");
    const int64_t n = s->data ? s->data->n[DATA_VALIDATION] : 0;
    if (n <= 0 || n >= FEW || s->data_settings.folds) return;
    errors_warn(e, given ? &given->at : at, "hold out more, as in validation: 0.1",
                "dataset: validation: %lld sample%s held out: too few to tell one epoch from another",
                (long long)n, n == 1 ? " is" : "s are");
}

/* The dataset's map holds its plugin's parameters and the core's own. */
static void setup_dataset(setup *s, const params_env *env, const char *base_dir, const data_card *card,
                          errors *e)
{
    item one;
    const node *slot = node_get(s->x->root, "dataset");
    if (!slot || !item_read(&s->memory, slot, false, &one, e)) return;
    const cvy_descriptor *d = registry_find(s->registry, CVY_DATASET, one.type, &one.type_at, e);
    if (!d) return;
    void *config = arena_alloc(&s->memory, d->config_size);
    params_table tables[] = {params_of(d, config), settings_of_data(&s->data_settings)};
    errors_push(e, "dataset (%s)", d->name);
    bool counted = true;
    const node *given = settings_check_data(&s->memory, one.params, &counted, e);
    cvy_status status = params_fill(&s->memory, tables, 2, given, env, e);
    errors_pop(e);
    if (!status && !counted) status = CVY_ERR_CONFIG;
    if (!status) status = setup_folds(s, one.params, e);
    if (status) return;
    s->dataset = d;
    s->dataset_config = config;
    s->data = card ? data_recall(d, config, &s->data_settings, s->x->seed, card, &one.type_at, e)
                   : data_open(d, config, &s->data_settings, s->x->seed, base_dir, &one.type_at, e);
    setup_check_held(s, one.params, &one.type_at, e);
    size_t n;
    const plugin_entry *p = registry_list(s->registry, &n);
    for (size_t i = 0; i < n && s->data; i++)
        if (p[i].descriptor == d) memcpy(s->data->plugin_sha256, p[i].sha256, sizeof p[i].sha256);
}

/* Test-time augmentation; before the data are opened. */
static void setup_eval(setup *s, const params_env *env, errors *e)
{
    const node *slot = node_get(s->x->root, "eval");
    eval_settings *v = &s->data_settings.eval;
    if (!slot || node_is_null(slot)) return;
    s->data_settings.eval_at = slot->at;
    params_table own = settings_of_eval(v);
    errors_push(e, "eval");
    cvy_status status = params_fill(&s->memory, &own, 1, slot, env, e);
    if (!status && !v->augment.n)
        errors_add(e, CVY_ERR_CONFIG, &slot->at,
                   "write eval: {augment: [horizontal_flip], copies: 8}, for one",
                   "there is no augment, and all %lld copies would be alike", (long long)v->copies);
    errors_pop(e);
}

/* What the model file says it is made for, when there is no dataset to say it. */
static bool setup_model_input(const setup *s, cvy_shape *sample)
{
    const node *list = s->x->model_input;
    if (!list) return false;
    *sample = (cvy_shape){.rank = (int32_t)list->n};
    for (size_t i = 0; i < list->n; i++) node_int(list->items[i], &sample->dim[i], NULL);
    return true;
}

/* What the network reads, and how many classes there are. Looking at a model needs no data: what its file says
 * serves where there are none. */
static void setup_input(setup *s, const params_env *env, const char *base_dir, setup_scope scope,
                        const data_card *card, cvy_shape *sample, int *classes, errors *e)
{
    bool look = scope == SETUP_MODEL;
    *classes = (int)s->x->model_classes;
    if (look && s->x->model_alone && setup_model_input(s, sample)) return;
    errors found = {0};
    setup_dataset(s, env, base_dir, card, &found);
    if (s->data) {
        *sample = s->data->sample;
        *classes = s->data->info.classes;
    } else if (look && setup_model_input(s, sample)) {
        errors_free(&found);
    }
    errors_move(e, &found);
}

/* Optimizers have no check of their own; an update of nothing shows what their configuration makes of it. */
static void setup_check_optimizer(setup *s, errors *e)
{
    const cvy_descriptor *d = s->train.optimizer.plugin;
    const node *slot = experiment_get(s->x, "train.optimizer");
    host h = host_make(e, CVY_ERR_CONFIG, slot ? &slot->at : NULL, s->x->seed, NULL);
    float none[1] = {0};
    float *slots[CVY_MAX_SLOTS] = {none, none, none, none, none, none, none, none};
    cvy_update u = {.host = &h.face, .n = 0, .step = 1, .lr_factor = 1, .w = none, .g = none, .slots = slots};
    errors_push(e, "train.optimizer (%s)", d->name);
    size_t before = errors_count(e);
    const char *names[CVY_MAX_SLOTS];
    size_t n = wrapped_slots(&s->train.optimizer, &s->memory, names);
    if (n > CVY_MAX_SLOTS)
        cvy_fail(&u, "needs %zu state arrays with what it wraps; %d is the most", n, CVY_MAX_SLOTS);
    else if (((const cvy_optimizer *)d->type)->update(&u, s->train.optimizer.config) &&
             errors_count(e) == before)
        cvy_fail(&u, "refused its configuration without saying why");
    errors_pop(e);
}

static void setup_check_rules(setup *s, errors *e)
{
    errors_push(e, "train");
    tensor_rules_check(&s->rules, s->net, e);
    double decay = 0;
    if (s->rules.n_no_decay && s->train.optimizer.config &&
        (!wrapped_number(&s->train.optimizer, "weight_decay", &decay) || decay == 0))
        errors_warn(e, &s->rules.no_decay[0].at, NULL,
                    "no_decay: the optimizer decays no weight: it has no weight_decay above 0");
    errors_pop(e);
}

/* Whether a metric that something waits for will be there. */
static void setup_check_watch(const setup *s, const char *path, int32_t metric, errors *e)
{
    const node *slot = experiment_get(s->x, path);
    const place *at = slot ? &slot->at : NULL;
    const char *name = patience_metrics[metric];
    bool validates = metric == WATCH_VAL_LOSS || metric == WATCH_VAL_ACCURACY;
    if (validates && s->data->n[DATA_VALIDATION] < 1)
        errors_add(e, CVY_ERR_CONFIG, at, "set dataset.validation, or watch train_loss",
                   "%s: waits for %s, and there are no validation samples", path, name);
    else if (patience_maximizes(metric) && !s->accuracy)
        errors_add(e, CVY_ERR_CONFIG, at, "watch val_loss", "%s: waits for %s, and this run has no accuracy",
                   path, name);
}

static void setup_check_select(const setup *s, errors *e)
{
    const cvy_child *optimizer = &s->train.optimizer;
    if (s->train.select != SELECT_BEST_AVERAGE || !optimizer->plugin) return;
    const node *slot = experiment_get(s->x, "train.select");
    if (!wrapped_averages(optimizer))
        errors_add(
            e, CVY_ERR_CONFIG, slot ? &slot->at : NULL,
            "wrap it: `optimizer: {type: ema, optimizer: ...}`, or write `select: best`",
            "train.select: best_average chooses among averaged weights, and the optimizer %s keeps none",
            optimizer->plugin->name);
}

static bool setup_check_watches(const setup *s, errors *e)
{
    size_t before = errors_count(e);
    int32_t watched = schedule_watches(&s->train.lr_schedule);
    if (watched >= 0) setup_check_watch(s, "train.lr_schedule", watched, e);
    if (s->stops_early) setup_check_watch(s, "train.early_stopping", s->stopping.metric, e);
    setup_check_select(s, e);
    return errors_count(e) == before;
}

static void setup_check_range(const setup *s, errors *e)
{
    const train_settings *t = &s->train;
    const place *at = &t->lr_range->at;
    double lr = 0;
    if (s->lr_range.from >= s->lr_range.to)
        errors_add(e, CVY_ERR_CONFIG, at, NULL, "from: %g is not below to: %g", s->lr_range.from,
                   s->lr_range.to);
    if (t->optimizer.config && (!wrapped_number(&t->optimizer, "lr", &lr) || lr <= 0))
        errors_add(e, CVY_ERR_CONFIG, at, "give it an lr above 0; any will do",
                   "the optimizer %s has no learning rate to vary", t->optimizer.plugin->name);
}

/* The keys of `train:` that have keys of their own. */
static void setup_read_train(setup *s, errors *e)
{
    const train_settings *t = &s->train;
    tensor_rules_read(t->no_decay, t->lr_multipliers, &s->memory, &s->rules, e);
    s->stops_early = t->early_stopping != NULL;
    s->tests_range = t->lr_range != NULL;
    params_table own = patience_of_stopping(&s->stopping), range = settings_of_lr_range(&s->lr_range);
    errors_push(e, "early_stopping");
    if (s->stops_early) params_fill(&s->memory, &own, 1, t->early_stopping, NULL, e);
    errors_pop(e);
    errors_push(e, "lr_range");
    if (s->tests_range && !params_fill(&s->memory, &range, 1, t->lr_range, NULL, e)) setup_check_range(s, e);
    errors_pop(e);
}

/* How many samples are computed at once, and of how many such batches an update is made. */
static void setup_batches(setup *s, int64_t n)
{
    const train_settings *t = &s->train;
    const bool all = t->batch_size == 0;
    const int64_t whole = all || t->batch_size > n ? n : t->batch_size;
    const int64_t part = t->micro_batch > 0 ? t->micro_batch : all ? SETUP_AT_ONCE : whole;
    s->batch = part < whole ? part : whole;
    s->batches_per_epoch = loader_batches(s->data, DATA_TRAIN, s->batch);
    const int64_t most = s->batches_per_epoch,
                  of_batch = whole == n ? most : (whole + s->batch - 1) / s->batch;
    s->gather = of_batch > most / t->accumulate ? most : of_batch * t->accumulate;
    s->steps_per_epoch = (s->batches_per_epoch + s->gather - 1) / s->gather;
    if (s->tests_range) s->train.epochs = (s->lr_range.steps + s->steps_per_epoch - 1) / s->steps_per_epoch;
}

static void setup_check_micro_batch(const setup *s, errors *e)
{
    const int64_t whole = s->train.batch_size, part = s->train.micro_batch;
    if (part < 1 || whole < 1 || part >= whole || whole % part == 0) return;
    const node *slot = experiment_get(s->x, "train.micro_batch");
    errors_add(e, CVY_ERR_CONFIG, slot ? &slot->at : NULL, "choose a divisor of batch_size",
               "train.micro_batch: batches of %lld samples do not divide into parts of %lld",
               (long long)whole, (long long)part);
}

static void setup_check_train(const setup *s, errors *e)
{
    setup_check_micro_batch(s, e);
    if (!s->train.lr_schedule.config) return;
    double warm = schedule_warmup(&s->train.lr_schedule);
    if (warm <= 0 || warm < (double)s->train.epochs) return;
    const node *slot = experiment_get(s->x, "train.lr_schedule");
    errors_warn(
        e, slot ? &slot->at : NULL, NULL,
        "train.lr_schedule: warmup_epochs: %g is the whole run of %lld epochs: the learning rate only rises",
        warm, (long long)s->train.epochs);
}

/* Names that a checkpoint puts in front of the paths of weights. */
static void setup_check_names(const setup *s, errors *e)
{
    static const char *const taken[] = {"best", "optimizer"};
    for (size_t i = 1; i < s->net->n_nodes; i++) {
        const net_node *n = &s->net->nodes[i];
        for (size_t k = 0; k < 2; k++) {
            size_t length = strlen(taken[k]);
            if (strncmp(n->path, taken[k], length) != 0 || (n->path[length] && n->path[length] != '.'))
                continue;
            errors_add(e, CVY_ERR_CONFIG, &n->at, "choose another name",
                       "layer name \"%s\" has a meaning in checkpoints", taken[k]);
            return;
        }
    }
}

/* What the network starts from, and what of it is left as it is. */
static void setup_init(setup *s, const params_env *env, const char *base_dir, bool file, errors *e)
{
    errors_push(e, "init");
    cvy_status status = init_read(node_get(s->x->root, "init"), base_dir, &s->memory, &s->init, e);
    if (!init_rules_read(node_get(s->x->root, "init"), env, &s->memory, &s->starts, e) && s->net)
        init_rules_check(&s->starts, s->net, e);
    if (!status && s->net) init_freeze(&s->init, s->net, e);
    errors_pop(e);
    if (status || !s->net || !file || !s->init.from) return;
    if (!weights_check(&s->init, s->net, e)) sha256_file_cached(s->init.from, s->weights_sha256, e);
}

cvy_status setup_load_weights(const setup *s, state *into, errors *e)
{
    char now[65] = "";
    cvy_status status = init_rules_apply(&s->starts, into, s->x->seed, e);
    if (status || !s->init.from) return status;
    status = weights_load(&s->init, into, e);
    if (!status) status = sha256_file_cached(s->init.from, now, e);
    if (status || strcmp(now, s->weights_sha256) == 0) return status;
    place at = PLACE_FILE(s->init.from);
    return errors_add(e, CVY_ERR_CONFIG, &at, "start a new run", "changed since the run was planned");
}

/* What many sizes come to. */
static void setup_warn_of_sizes(const setup *s, errors *e)
{
    const data *d = s->data;
    const int64_t n = d->n[DATA_TRAIN], batches = s->batches_per_epoch, least = (n + s->batch - 1) / s->batch;
    if (batches <= 2 * least) return;
    errors_warn(
        e, &d->at, "`resize` or a crop in dataset.augment makes fewer sizes of them",
        "the samples have %zu sizes, and a batch holds samples of one: the %lld batches of an epoch have "
        "%.1f samples each on average, not %lld",
        d->n_groups, (long long)batches, (double)n / (double)batches, (long long)s->batch);
}

static setup *setup_make(const experiment *x, registry *r, const char *base_dir, setup_scope scope,
                         const data_card *card, errors *e)
{
    size_t before = errors_count(e);
    bool resumed = scope == SETUP_RESUMED;
    if (resumed) scope = SETUP_ALL;
    setup *s = mem_alloc(sizeof *s);
    s->x = x;
    s->registry = r;
    schedule_register(r);
    initialiser_register(r);
    params_word words[] = {{.word = "all", .value = 0, .only = "batch_size"}};
    params_env env = {.find = setup_find, .ctx = r, .words = words, .n_words = 1};
    params_env no_words = {.find = setup_find, .ctx = r};

    cvy_shape sample = {0};
    int classes = 0;
    setup_eval(s, &no_words, e);
    setup_input(s, &no_words, base_dir, scope, card, &sample, &classes, e);
    if (scope == SETUP_ALL) {
        params_table train = settings_of_train(&s->train);
        errors_push(e, "train");
        params_fill(&s->memory, &train, 1, node_get(x->root, "train"), &env, e);
        setup_read_train(s, e);
        errors_pop(e);
        setup_check_train(s, e);
        s->loss = setup_child(s, "loss", CVY_LOSS, &no_words, &s->loss_config, e);
    }
    if (sample.rank) s->net = net_build(experiment_layers(x), &sample, classes, r, e);
    if (s->net && s->data) setup_check_outputs(s, scope == SETUP_ALL, e);
    if (scope == SETUP_ALL && s->net) setup_check_names(s, e);
    setup_init(s, &no_words, base_dir, scope == SETUP_ALL && !resumed, e);
    if (scope == SETUP_ALL && s->train.optimizer.config) setup_check_optimizer(s, e);
    if (scope == SETUP_ALL && s->net) setup_check_rules(s, e);
    if (errors_count(e) > before) {
        setup_free(s);
        return NULL;
    }
    if (scope == SETUP_ALL) {
        int64_t n = s->data->n[DATA_TRAIN];
        const cvy_shape *y = &s->net->nodes[s->net->output].out;
        s->accuracy = data_target(s->data) == TARGET_LABEL && y->rank == 2 &&
                      y->dim[1] == (int64_t)s->data->info.classes;
        setup_batches(s, n);
        setup_warn_of_sizes(s, e);
        if (!setup_check_watches(s, e)) {
            setup_free(s);
            return NULL;
        }
    }
    return s;
}

setup *setup_new(const experiment *x, registry *r, const char *base_dir, setup_scope scope, errors *e)
{
    return setup_make(x, r, base_dir, scope, NULL, e);
}

setup *setup_recalled(const experiment *x, registry *r, const data_card *card, errors *e)
{
    return setup_make(x, r, ".", SETUP_RESUMED, card, e);
}

void setup_free(setup *s)
{
    if (!s) return;
    net_free(s->net);
    data_close(s->data);
    arena a = s->memory;
    arena_free(&a);
    mem_free(s);
}
