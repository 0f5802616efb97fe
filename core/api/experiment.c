/* Owns the way from a file's name to a checked experiment, and what can be asked of it; must not know training. */
#include <string.h>

#include "api/api.h"
#include "config/model_folders.h"

/* The warnings among the messages, as text. */
static char *warnings_of(const errors *e)
{
    text t = {0};
    if (!errors_count(e)) errors_text(e, false, &t);
    return text_take(&t);
}

static void read_all(cvy_experiment *x, const char *file, const char *const *overrides, size_t n, errors *e)
{
    char **folders = model_folders();
    const char *const *list = (const char *const *)folders;
    x->x = (x->trainable ? experiment_read : experiment_of_model)(file, overrides, n, list, e);
    model_folders_free(folders);
    if (!x->x) return;
    size_t n_files = 0, before = errors_count(e);
    const plugin_request *files = setup_plugins(x->x, NULL, 0, &x->memory, &n_files, e);
    if (errors_count(e) == before) x->plugins = registry_open(files, n_files, e);
    if (x->plugins) x->s = setup_new(x->x, x->plugins, x->x->dir, x->trainable ? SETUP_ALL : SETUP_MODEL, e);
}

static cvy_experiment *open_as(bool trainable, const char *file, const char *const *overrides, size_t n,
                               cvy_error **error)
{
    api_call c = api_begin();
    cvy_experiment *x = mem_alloc(sizeof *x);
    x->trainable = trainable;
    pthread_mutex_init(&x->lock, NULL);
    bool given = file && (overrides || !n);
    for (size_t i = 0; given && i < n; i++) given = overrides[i] != NULL;
    if (given)
        read_all(x, file, overrides, n, &c.e);
    else
        api_missing(file ? "overrides" : trainable ? "file" : "name", &c.e);
    x->warnings = warnings_of(&c.e);
    if (!x->s && !errors_count(&c.e))
        errors_add(&c.e, CVY_ERR_CONFIG, NULL, NULL, "%s cannot be opened", file);
    if (api_end(&c, error) == CVY_OK) return x;
    cvy_experiment_free(x);
    return NULL;
}

cvy_experiment *cvy_experiment_open(const char *file, const char *const *overrides, size_t n_overrides,
                                    cvy_error **error)
{
    return open_as(true, file, overrides, n_overrides, error);
}

cvy_experiment *cvy_experiment_open_model(const char *name, const char *const *overrides, size_t n_overrides,
                                          cvy_error **error)
{
    return open_as(false, name, overrides, n_overrides, error);
}

void cvy_experiment_free(cvy_experiment *x)
{
    if (!x) return;
    setup_free(x->s);
    registry_free(x->plugins);
    experiment_free(x->x);
    arena_free(&x->memory);
    mem_free(x->warnings);
    pthread_mutex_destroy(&x->lock);
    mem_free(x);
}

/* ---- what can be asked ---- */

cvy_experiment_info cvy_experiment_describe(const cvy_experiment *x)
{
    const setup *s = x->s;
    cvy_experiment_info info = {.name = x->x->name,
                                .seed = x->x->seed,
                                .input = api_sample(&s->net->nodes[0].out),
                                .classes = s->data ? s->data->info.classes : s->net->classes};
    if (s->data) info.targets = s->data->info.targets;
    for (int p = 0; s->data && p < CVY_PARTS; p++) info.samples[p] = s->data->n[p];
    if (x->trainable) {
        info.epochs = s->train.epochs;
        info.batch_size = s->batch;
        info.steps_per_epoch = s->steps_per_epoch;
    }
    return info;
}

const char *cvy_experiment_class_name(const cvy_experiment *x, int32_t label)
{
    const data *d = x->s->data;
    return d && d->info.class_names && label >= 0 && label < d->info.classes ? d->info.class_names[label]
                                                                             : NULL;
}

const char *cvy_experiment_warnings(const cvy_experiment *x)
{
    return x->warnings;
}

/* ---- samples ---- */

cvy_status api_prepare_data(const cvy_experiment *x, errors *e)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&x->lock;
    pthread_mutex_lock(lock);
    cvy_status status = data_prepare(x->s->data, e);
    pthread_mutex_unlock(lock);
    return status;
}

cvy_status api_one_size(const cvy_experiment *x, const char *call, errors *e)
{
    const data *d = x->s->data;
    if (d->n_groups == 1) return CVY_OK;
    return errors_add(e, CVY_ERR_CONFIG, &d->at,
                      "`resize` or a crop in dataset.augment brings them to one; sessions train on several",
                      "the samples have %zu sizes, and %s gives those of one size", d->n_groups, call);
}

static cvy_status read_sample(const cvy_experiment *x, cvy_part part, int64_t i, float *image, int32_t *label,
                              errors *e)
{
    static const char *const names[CVY_PARTS] = {"training", "validation", "test"};
    const data *d = x->s->data;
    if (!d)
        return errors_add(e, CVY_ERR_CONFIG, NULL, "open it with cvy_experiment_open()",
                          "only the network was opened, not the dataset");
    if ((unsigned)part >= CVY_PARTS)
        return errors_add(e, CVY_ERR_CONFIG, NULL, NULL, "part: %d is none", (int)part);
    if (i < 0 || i >= d->n[part])
        return errors_add(e, CVY_ERR_CONFIG, NULL, NULL, "sample %lld: the %s part has %lld", (long long)i,
                          names[part], (long long)d->n[part]);
    cvy_status status = api_one_size(x, "cvy_experiment_read()", e);
    if (!status) status = api_prepare_data(x, e);
    if (status) return status;
    float *scratch = mem_try((size_t)data_scratch(d), sizeof *scratch);
    float *own = image ? NULL : mem_try((size_t)cvy_count(&d->sample), sizeof *own);
    int32_t class = 0;
    if (scratch && (image || own))
        status = data_read(d, (data_part)part, i, 0, image ? image : own, &class, NULL, scratch, e);
    else
        status = errors_add(e, CVY_ERR_RESOURCE, NULL, NULL, "not enough memory for a sample");
    if (!status && label) *label = class;
    mem_free(scratch);
    mem_free(own);
    return status;
}

cvy_status cvy_experiment_read(const cvy_experiment *x, cvy_part part, int64_t i, float *image,
                               int32_t *label, cvy_error **error)
{
    api_call c = api_begin();
    if (x)
        read_sample(x, part, i, image, label, &c.e);
    else
        api_missing("experiment", &c.e);
    return api_end(&c, error);
}
