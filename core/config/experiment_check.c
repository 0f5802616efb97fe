/* Owns what the keys of an experiment file may hold; must not know what is inside dataset, loss, train and
 * sweep. */
#include "config/experiment_check.h"

#include <string.h>
#include "base/file.h"
#include "config/item.h"
#include "config/model_file.h"
#include "config/scalar.h"
#include "config/suggest.h"

enum { NAME_MAX_BYTES = 100, REPEATS_MAX = 1000, FOLDS_MAX = 1000 };

static const char *const KEYS[] = {"experiment", "seed", "plugins", "dataset", "model",   "init", "loss",
                                   "train",      "eval", "folds",   "fold",    "repeats", "sweep"};
enum { N_KEYS = sizeof KEYS / sizeof *KEYS };

const char *const *experiment_keys(size_t *n)
{
    *n = N_KEYS;
    return KEYS;
}

const char *experiment_default_name(arena *a, const char *file)
{
    const char *base = path_base(file);
    size_t n = strlen(base);
    if (n > 5 && text_ends(base, ".yaml"))
        n -= 5;
    else if (n > 4 && text_ends(base, ".yml"))
        n -= 4;
    return arena_text_n(a, base, n);
}

/* Words that people coming from elsewhere would try at the top of the file. */
static const struct {
    const char *word, *means;
} ELSEWHERE[] = {{"name", "experiment"},
                 {"network", "model"},
                 {"architecture", "model"},
                 {"net", "model"},
                 {"layers", "model"},
                 {"data", "dataset"},
                 {"criterion", "loss"},
                 {"weights", "init.from"},
                 {"pretrained", "init.from"},
                 {"freeze", "init.freeze"},
                 {"training", "train"},
                 {"trainer", "train"},
                 {"runs", "repeats"},
                 {"kfold", "folds"},
                 {"k_fold", "folds"},
                 {"cross_validation", "folds"},
                 {"n_splits", "folds"},
                 {"initializer", "init.weights"},
                 {"epochs", "train.epochs"},
                 {"batch_size", "train.batch_size"},
                 {"optimizer", "train.optimizer"},
                 {"lr_schedule", "train.lr_schedule"},
                 {"select", "train.select"},
                 {"augment", "dataset.augment"},
                 {"evaluation", "eval"},
                 {"test", "eval"},
                 {"tta", "eval"},
                 {"validation", "dataset.validation"},
                 {"lr", "train.optimizer.lr"},
                 {"learning_rate", "train.optimizer.lr"},
                 {"momentum", "train.optimizer.momentum"},
                 {"weight_decay", "train.optimizer.weight_decay"},
                 {"micro_batch", "train.micro_batch"},
                 {"accumulate", "train.accumulate"},
                 {"clip_norm", "train.clip_norm"},
                 {"clip_value", "train.clip_value"},
                 {"early_stopping", "train.early_stopping"},
                 {"train_limit", "dataset.train_limit"},
                 {"test_limit", "dataset.test_limit"}};
enum { N_ELSEWHERE = sizeof ELSEWHERE / sizeof *ELSEWHERE };

/* Words about the machine, which Convoy has no key for. */
static const char *machine_word(const char *word)
{
    static const char *const devices[] = {"device",      "devices", "gpu",        "gpus",
                                          "accelerator", "cuda",    "use_cuda",   "mixed_precision",
                                          "precision",   "amp",     "pin_memory", "num_workers"};
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++)
        if (!strcmp(word, devices[i]))
            return "Convoy computes on the CPU, in single precision: leave it out; `--threads N` says on how "
                   "many cores";
    return NULL;
}

const char *experiment_means(const char *word)
{
    for (size_t i = 0; i < N_ELSEWHERE; i++) {
        if (strcmp(ELSEWHERE[i].word, word) == 0) return ELSEWHERE[i].means;
    }
    return NULL;
}

/* Returns the key that is suggested, or NULL. */
static const char *report_unknown(arena *a, const char *key, const place *at, errors *e)
{
    const char *means = experiment_means(key);
    const char *hint = means ? arena_printf(a, "this is `%s` here", means) : machine_word(key);
    if (!hint) hint = suggest_near(a, key, KEYS, N_KEYS);
    if (!hint) { /* `epoch` */
        const char *words[N_ELSEWHERE];
        for (size_t i = 0; i < N_ELSEWHERE; i++) words[i] = ELSEWHERE[i].word;
        const char *near = text_nearest(key, words, N_ELSEWHERE);
        if (near) hint = arena_printf(a, "did you mean `%s`?", experiment_means(near));
    }
    if (!hint) hint = suggest_from(a, "known are", key, KEYS, N_KEYS);
    errors_add(e, CVY_ERR_CONFIG, at, hint, "unknown key \"%s\"", suggest_shown(a, key));
    return means ? means : text_nearest(key, KEYS, N_KEYS);
}

static bool check_name(const node *n, experiment *x, errors *e)
{
    const char *name = NULL;
    if (!node_string(n, &name, e)) return false;
    const size_t length = strlen(name);
    bool printable = length > 0 && length <= NAME_MAX_BYTES;
    for (size_t i = 0; i < length && printable;) {
        uint32_t code = 0;
        const size_t bytes = text_utf8(name + i, length - i, &code);
        printable = bytes && name[i] != '/' && !text_hidden(code);
        i += bytes;
    }
    if (!printable) {
        errors_add(e, CVY_ERR_CONFIG, &n->at, NULL, "expected 1 to %d printable characters without `/`",
                   NAME_MAX_BYTES);
        return false;
    }
    x->name = arena_text(&x->memory, name);
    return true;
}

static bool check_int(const node *n, int64_t low, int64_t high, int64_t *v, errors *e)
{
    if (!node_int(n, v, e)) return false;
    if (*v >= low && *v <= high) return true;
    errors_add(e, CVY_ERR_CONFIG, &n->at, NULL, "%lld is %s %lld", (long long)*v,
               *v < low ? "below" : "above", (long long)(*v < low ? low : high));
    return false;
}

static bool check_plugins(const node *n, errors *e)
{
    const char *s;
    bool ok = true;
    if (n->kind != NODE_LIST) {
        text found = {0};
        scalar_found(n, &found);
        errors_add(e, CVY_ERR_CONFIG, &n->at, "as in plugins: [./maxout.so]",
                   "expected a list of files, found %s", text_str(&found));
        text_free(&found);
        return false;
    }
    for (size_t i = 0; i < n->n; i++) ok = node_string(n->items[i], &s, e) && ok;
    return ok;
}

static bool check_model(arena *a, const node *n, errors *e)
{
    if (model_file_named(n)) return true; /* a name: its file is not read here */
    const node *layers = n->kind == NODE_MAP ? node_get(n, "layers") : n;
    text found = {0};
    scalar_found(n, &found);
    bool ok = false;
    if (n->kind == NODE_SCALAR) {
        errors_add(e, CVY_ERR_CONFIG, &n->at, NULL,
                   "expected a list of layers or the name of a model, found %s", text_str(&found));
    } else if (!layers) {
        const char *hint = n->n ? arena_printf(a, "write a list, `- %s`, or {type: NAME}", n->keys[0])
                                : "write a list of layers or the name of a model";
        errors_add(e, CVY_ERR_CONFIG, &n->at, hint, "a map without `type` names no model");
    } else if (layers->kind != NODE_LIST) {
        errors_add(e, CVY_ERR_CONFIG, &layers->at, NULL, "layers: expected a list of layers");
    } else if (layers->n == 0) {
        errors_add(e, CVY_ERR_CONFIG, &layers->at, NULL, "the model has no layers");
    } else {
        const node *input = n->kind == NODE_MAP ? node_get(n, "input") : NULL;
        ok = !input || model_file_check_input(input, e);
    }
    text_free(&found);
    return ok;
}

static bool check_map(const node *n, errors *e)
{
    if (n->kind == NODE_MAP) return true;
    text found = {0};
    scalar_found(n, &found);
    errors_add(e, CVY_ERR_CONFIG, &n->at, NULL, "expected a map of keys, found %s", text_str(&found));
    text_free(&found);
    return false;
}

/* What is inside `train:` is checked by those who know it; here only what is written one level too high, the optimizer's
 * parameters above all, and what there is no place for at all. */
static bool check_train(arena *a, const node *n, errors *e)
{
    static const char inside[] = "train.optimizer.";
    if (!check_map(n, e)) return false;
    bool ok = true;
    for (size_t i = 0; i < n->n; i++) {
        const char *key = n->keys[i], *means = experiment_means(key), *hint = machine_word(key);
        if (means && text_starts(means, inside)) hint = arena_printf(a, "did you mean `%s`?", means);
        if (!hint) continue;
        errors_add(e, CVY_ERR_CONFIG, &n->key_at[i], hint, "unknown parameter \"%s\"", suggest_shown(a, key));
        ok = false;
    }
    return ok;
}

static bool check_key(arena *a, const char *key, const node *n, experiment *x, errors *e)
{
    item it;
    int64_t v = 0;
    if (strcmp(key, "experiment") == 0) return check_name(n, x, e);
    if (strcmp(key, "seed") == 0) {
        if (!check_int(n, 0, INT64_MAX, &v, e)) return false;
        x->seed = (uint64_t)v;
        return true;
    }
    if (strcmp(key, "repeats") == 0) {
        if (!check_int(n, 1, REPEATS_MAX, &v, e)) return false;
        x->repeats = v;
        return true;
    }
    if (strcmp(key, "folds") == 0 || strcmp(key, "fold") == 0) {
        const bool all = strcmp(key, "folds") == 0;
        if (node_is_null(n)) return true;
        if (!check_int(n, all ? 2 : 1, FOLDS_MAX, &v, e)) return false;
        *(all ? &x->folds : &x->fold) = v;
        return true;
    }
    if (strcmp(key, "model") == 0) return check_model(a, n, e);
    if (strcmp(key, "dataset") == 0 || strcmp(key, "loss") == 0) return item_read(a, n, false, &it, e);
    if (strcmp(key, "train") == 0) return check_train(a, n, e);
    if (node_is_null(n)) return true; /* nothing behind `plugins:` or `sweep:` is as good as no key */
    return strcmp(key, "plugins") == 0 ? check_plugins(n, e) : check_map(n, e);
}

/* Which of how many. */
static bool check_fold(const node *raw, const experiment *x, errors *e)
{
    const node *n = node_get(raw, "fold");
    if (!x->fold || x->fold <= x->folds) return true;
    if (node_get(raw, "folds") && !x->folds) return true; /* wrong, which was reported */
    errors_add(e, CVY_ERR_CONFIG, &n->at,
               x->folds ? "folds count from 1" : "write `folds: 5` beside it, for one",
               x->folds ? "fold: there is no fold %lld of %lld" : "fold: it is not said of how many",
               (long long)x->fold, (long long)x->folds);
    return false;
}

bool experiment_check(arena *a, const node *raw, experiment *x, errors *e)
{
    bool ok = true, model_meant = false;
    x->name = experiment_default_name(&x->memory, x->file);
    x->seed = 1;
    x->repeats = 1;
    x->folds = x->fold = 0;
    for (size_t i = 0; i < raw->n; i++) {
        bool known = false;
        for (size_t k = 0; k < N_KEYS; k++) known = known || strcmp(raw->keys[i], KEYS[k]) == 0;
        if (known) {
            errors_push(e, "%s", raw->keys[i]);
            ok = check_key(a, raw->keys[i], raw->items[i], x, e) && ok;
            errors_pop(e);
        } else {
            const char *means = report_unknown(a, raw->keys[i], &raw->key_at[i], e);
            model_meant = model_meant || (means && strcmp(means, "model") == 0);
            ok = false;
        }
    }
    ok = check_fold(raw, x, e) && ok;
    if (!node_get(raw, "model")) {
        place at = PLACE_FILE(x->file);
        errors_add(e, CVY_ERR_CONFIG, &at, "write a list of layers or the name of a model",
                   "`model:` is missing");
        ok = false;
    }
    return ok;
}
