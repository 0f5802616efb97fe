/* Turns an experiment into checked pieces. Must not train. */
#include "train/setup.h"

#include <string.h>

#include "base/digest.h"
#include "base/file.h"
#include "config/params_table.h"
#include "convoy/loss.h"
#include "convoy/optimizer.h"
#include "plugin/host.h"
#include "train/schedule.h"
#include "train/wrapped.h"
#include "train/weights.h"

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

/* The dataset's map holds its plugin's parameters and the core's own. */
static void setup_dataset(setup *s, const params_env *env, const char *base_dir, bool open, errors *e)
{
    item one;
    const node *slot = node_get(s->x->root, "dataset");
    if (!slot || !item_read(&s->memory, slot, false, &one, e)) return;
    const cvy_descriptor *d = registry_find(s->registry, CVY_DATASET, one.type, &one.type_at, e);
    if (!d) return;
    void *config = arena_alloc(&s->memory, d->config_size);
    params_table tables[] = {params_of(d, config), settings_of_data(&s->data_settings)};
    errors_push(e, "dataset (%s)", d->name);
    cvy_status status = params_fill(&s->memory, tables, 2, one.params, env, e);
    errors_pop(e);
    if (status) return;
    s->dataset = d;
    s->dataset_config = config;
    if (open) s->data = data_open(d, config, &s->data_settings, s->x->seed, base_dir, &one.type_at, e);
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
                        cvy_shape *sample, int *classes, errors *e)
{
    bool look = scope == SETUP_MODEL;
    *classes = (int)s->x->model_classes;
    if (look && s->x->model_alone && setup_model_input(s, sample)) return;
    errors found = {0};
    setup_dataset(s, env, base_dir, true, &found);
    if (s->data) {
        *sample = s->data->sample;
        *classes = s->data->info.classes;
    } else if (look && setup_model_input(s, sample)) {
        errors_free(&found);
    }
    errors_move(e, &found);
}

static void setup_shape_text(const cvy_shape *sample, text *t)
{
    for (int i = 0; i < sample->rank; i++) text_printf(t, "%s%lld", i ? ", " : "", (long long)sample->dim[i]);
}

/* Whether what a node gives can be compared with the input, number by number. */
static void setup_check_like_input(const setup *s, int unit, errors *e)
{
    const net_node *n = &s->net->nodes[unit];
    const cvy_shape *sample = &s->data->sample;
    cvy_shape y = {.rank = n->out.rank - 1};
    bool same = y.rank == sample->rank;
    for (int i = 0; i < y.rank; i++) {
        y.dim[i] = n->out.dim[i + 1];
        same = same && y.dim[i] == sample->dim[i];
    }
    if (same) return;
    text own = {0}, wanted = {0};
    setup_shape_text(&y, &own);
    setup_shape_text(sample, &wanted);
    errors_add(
        e, CVY_ERR_CONFIG, n->at.file ? &n->at : &s->data->at,
        "end the model with a layer of the input's shape; `dataset: {target: label}` compares with the class",
        "layer \"%s\" (%s): the network gives (%s) for each sample, and is compared with its input (%s): "
        "dataset.target is `input`",
        n->path, n->plugin->name, text_str(&own), text_str(&wanted));
    text_free(&own);
    text_free(&wanted);
}

/* Whether a node gives as many numbers as the dataset. */
static void setup_check_numbers(const setup *s, int unit, errors *e)
{
    const net_node *n = &s->net->nodes[unit];
    const int32_t targets = s->data->info.targets;
    if (n->out.rank == 2 && n->out.dim[1] == targets) return;
    cvy_shape y = {.rank = n->out.rank - 1};
    for (int i = 0; i < y.rank; i++) y.dim[i] = n->out.dim[i + 1];
    text own = {0}, hint = {0};
    setup_shape_text(&y, &own);
    text_printf(&hint, "end the model with `linear: {units: %d}`", (int)targets);
    errors_add(
        e, CVY_ERR_CONFIG, n->at.file ? &n->at : &s->data->at, text_str(&hint),
        "layer \"%s\" (%s): the network gives (%s) for each sample, and is compared with the dataset's %d "
        "number%s",
        n->path, n->plugin->name, text_str(&own), (int)targets, targets == 1 ? "" : "s");
    text_free(&own);
    text_free(&hint);
}

/* A loss that knows classes alone is not for other targets. */
static void setup_check_classes(const setup *s, const char *instead, errors *e)
{
    const node *slot = node_get(s->x->root, "loss");
    if (s->loss && ((const cvy_loss *)s->loss->type)->traits & CVY_LOSS_CLASSES)
        errors_add(e, CVY_ERR_CONFIG, slot ? &slot->at : NULL, "write `loss: mean_squared_error`, for one",
                   "loss (%s): compares with a class, and %s", s->loss->name, instead);
}

/* Whether there is what the output is to be compared with; false after reporting. */
static bool setup_check_target(const setup *s, errors *e)
{
    size_t before = errors_count(e);
    if (data_target(s->data) == TARGET_NUMBERS) {
        setup_check_numbers(s, s->net->output, e);
        for (size_t i = 0; i < s->net->n_heads; i++) setup_check_numbers(s, s->net->heads[i].node, e);
        setup_check_classes(s, "the dataset gives numbers", e);
    } else if (s->data_settings.target == TARGET_INPUT) {
        setup_check_like_input(s, s->net->output, e);
        for (size_t i = 0; i < s->net->n_heads; i++) setup_check_like_input(s, s->net->heads[i].node, e);
        setup_check_classes(s, "dataset.target is `input`", e);
    } else if (s->loss && s->data->info.classes < 1) {
        errors_add(e, CVY_ERR_CONFIG, &s->data->at, "`dataset: {target: input}` compares with the input",
                   "the dataset has no classes to compare the network's output with");
    }
    return errors_count(e) == before;
}

/* Whether the loss can be taken of a node: the network's output or a head. */
static void setup_check_loss(setup *s, int unit, errors *e)
{
    cvy_shape y = s->net->nodes[unit].out;
    const node *slot = node_get(s->x->root, "loss");
    const place *at = &s->net->nodes[unit].at;
    host h = host_make(e, CVY_ERR_CONFIG, at->file ? at : slot ? &slot->at : NULL, s->x->seed, NULL);
    errors_push(e, "loss (%s)", s->loss->name);
    size_t before = errors_count(e);
    int32_t classes = data_target(s->data) == TARGET_LABEL ? s->data->info.classes : 0;
    if (((const cvy_loss *)s->loss->type)->check(&h.face, &y, classes, s->loss_config) &&
        errors_count(e) == before)
        h.face.fail(&h.face, "does not fit the network's output");
    errors_pop(e);
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

static bool setup_check_watches(const setup *s, errors *e)
{
    size_t before = errors_count(e);
    int32_t watched = schedule_watches(&s->train.lr_schedule);
    if (watched >= 0) setup_check_watch(s, "train.lr_schedule", watched, e);
    if (s->stops_early) setup_check_watch(s, "train.early_stopping", s->stopping.metric, e);
    return errors_count(e) == before;
}

/* The keys of `train:` that have keys of their own. */
static void setup_read_train(setup *s, errors *e)
{
    const train_settings *t = &s->train;
    tensor_rules_read(t->no_decay, t->lr_multipliers, &s->memory, &s->rules, e);
    s->stops_early = t->early_stopping != NULL;
    if (!s->stops_early) return;
    params_table own = patience_of_stopping(&s->stopping);
    errors_push(e, "early_stopping");
    params_fill(&s->memory, &own, 1, t->early_stopping, NULL, e);
    errors_pop(e);
}

static void setup_check_train(const setup *s, errors *e)
{
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
static void setup_init(setup *s, const char *base_dir, bool file, errors *e)
{
    errors_push(e, "init");
    cvy_status status = init_read(node_get(s->x->root, "init"), base_dir, &s->memory, &s->init, e);
    if (!status && s->net) init_freeze(&s->init, s->net, e);
    errors_pop(e);
    if (status || !s->net || !file || !s->init.from) return;
    if (!weights_check(&s->init, s->net, e)) sha256_file_cached(s->init.from, s->weights_sha256, e);
}

cvy_status setup_load_weights(const setup *s, state *into, errors *e)
{
    if (!s->init.from) return CVY_OK;
    char now[65] = "";
    cvy_status status = weights_load(&s->init, into, e);
    if (!status) status = sha256_file_cached(s->init.from, now, e);
    if (status || strcmp(now, s->weights_sha256) == 0) return status;
    place at = PLACE_FILE(s->init.from);
    return errors_add(e, CVY_ERR_CONFIG, &at, "start a new run", "changed since the run was planned");
}

setup *setup_new(const experiment *x, registry *r, const char *base_dir, setup_scope scope, errors *e)
{
    size_t before = errors_count(e);
    bool resumed = scope == SETUP_RESUMED;
    if (resumed) scope = SETUP_ALL;
    setup *s = mem_alloc(sizeof *s);
    s->x = x;
    s->registry = r;
    schedule_register(r);
    params_word words[] = {{.word = "all", .value = 0, .only = "batch_size"}};
    params_env env = {.find = setup_find, .ctx = r, .words = words, .n_words = 1};
    params_env no_words = {.find = setup_find, .ctx = r};

    cvy_shape sample = {0};
    int classes = 0;
    setup_input(s, &no_words, base_dir, scope, &sample, &classes, e);
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
    bool comparable = s->net && s->data && setup_check_target(s, e);
    if (scope == SETUP_ALL && comparable && s->loss) {
        setup_check_loss(s, s->net->output, e);
        for (size_t i = 0; i < s->net->n_heads; i++) setup_check_loss(s, s->net->heads[i].node, e);
    }
    if (scope == SETUP_ALL && s->net) setup_check_names(s, e);
    setup_init(s, base_dir, scope == SETUP_ALL && !resumed, e);
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
        s->batch = s->train.batch_size > 0 && s->train.batch_size < n ? s->train.batch_size : n;
        s->batches_per_epoch = (n + s->batch - 1) / s->batch;
        s->steps_per_epoch = (s->batches_per_epoch + s->train.accumulate - 1) / s->train.accumulate;
        if (!setup_check_watches(s, e)) {
            setup_free(s);
            return NULL;
        }
    }
    return s;
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

/* ---- canonical form ---- */

static void setup_write_plugin(const cvy_descriptor *d, const void *config, json_writer *w)
{
    json_put_text(w, "type", d->name);
    params_table t = params_of(d, (void *)(uintptr_t)config);
    params_write(&t, w);
}

/* Without the place of its files: what is in them is in the fingerprint. */
static void setup_write_dataset(const setup *s, json_writer *w)
{
    void *config = mem_copy(s->dataset_config, s->dataset->config_size);
    params_table t = params_of(s->dataset, config);
    for (size_t i = 0; i < t.n; i++) {
        cvy_param p = params_entry(&t, i);
        const char *none = NULL;
        const size_t length = strlen(p.name);
        if (p.kind == CVY_PARAM_STRING &&
            (strcmp(p.name, "path") == 0 || (length > 5 && strcmp(p.name + length - 5, "_path") == 0)))
            memcpy((char *)config + p.offset, &none, sizeof none);
    }
    json_put_text(w, "type", s->dataset->name);
    params_write(&t, w);
    mem_free(config);
}

void setup_canonical(const setup *s, text *out)
{
    json_writer w = {0};
    json_open(&w, '{');
    json_put_int(&w, "seed", (int64_t)s->x->seed);
    json_key(&w, "dataset");
    json_open(&w, '{');
    setup_write_dataset(s, &w);
    data_settings settings = s->data_settings;
    params_table own = settings_of_data(&settings);
    params_write(&own, &w);
    json_close(&w, '}');
    json_key(&w, "layers");
    json_open(&w, '[');
    for (size_t i = 1; i < s->net->n_nodes; i++) {
        const net_node *n = &s->net->nodes[i];
        json_open(&w, '{');
        json_put_text(&w, "path", n->path);
        json_key(&w, "in");
        json_open(&w, '[');
        for (int k = 0; k < n->n_in; k++) json_int(&w, n->in[k]);
        json_close(&w, ']');
        setup_write_plugin(n->plugin, n->config, &w);
        json_close(&w, '}');
    }
    json_close(&w, ']');
    json_put_int(&w, "output", s->net->output);
    if (s->init.from || s->init.n_freeze) { /* the file's content is hashed apart, as the dataset's is */
        json_key(&w, "init");
        json_open(&w, '{');
        init_write(&s->init, s->net, &w);
        json_close(&w, '}');
    }
    json_key(&w, "heads");
    json_open(&w, '[');
    for (size_t i = 0; i < s->net->n_heads; i++) {
        json_int(&w, s->net->heads[i].node);
        json_double(&w, s->net->heads[i].weight);
    }
    json_close(&w, ']');
    json_key(&w, "loss");
    json_open(&w, '{');
    setup_write_plugin(s->loss, s->loss_config, &w);
    json_close(&w, '}');
    json_key(&w, "train");
    json_open(&w, '{');
    train_settings train = s->train;
    train.checkpoint_seconds = 0; /* moves no result */
    train.early_stopping = NULL;
    params_table t = settings_of_train(&train);
    params_write(&t, &w);
    if (s->stops_early) {
        stopping_settings stopping = s->stopping;
        params_table wait = patience_of_stopping(&stopping);
        json_key(&w, "stopping");
        json_open(&w, '{');
        params_write(&wait, &w);
        json_close(&w, '}');
    }
    json_close(&w, '}');
    json_close(&w, '}');
    text_add(out, text_str(&w.out));
    text_free(&w.out);
}
