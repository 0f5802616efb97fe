/* What a run is known by, as text. Must not know what becomes of it.
 *
 * config_hash is taken over these bytes. One byte more, less or elsewhere, be it the order of two keys, gives every run another
 * identity, and none of those before is found again: what is new is written only where it is used. */
#include <string.h>

#include "config/params_table.h"
#include "train/setup.h"

static void setup_write_plugin(const cvy_descriptor *d, const void *config, json_writer *w)
{
    json_put_text(w, "type", d->name);
    params_table t = params_of(d, (void *)(uintptr_t)config);
    params_write(&t, w);
}

/* `key` with a map of what the table says. */
static void setup_write_settings(const char *key, const params_table *t, json_writer *w)
{
    json_key(w, key);
    json_open(w, '{');
    params_write(t, w);
    json_close(w, '}');
}

/* The plugin's own parameters without the place of its files: what is in them is in the fingerprint. */
static void setup_write_source(const setup *s, json_writer *w)
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

static void setup_write_dataset(const setup *s, json_writer *w)
{
    data_settings settings = s->data_settings;
    params_table own = settings_of_data(&settings);
    json_key(w, "dataset");
    json_open(w, '{');
    setup_write_source(s, w);
    params_write(&own, w);
    json_close(w, '}');
}

static void setup_write_layers(const setup *s, json_writer *w)
{
    json_key(w, "layers");
    json_open(w, '[');
    for (size_t i = 1; i < s->net->n_nodes; i++) {
        const net_node *n = &s->net->nodes[i];
        json_open(w, '{');
        json_put_text(w, "path", n->path);
        json_key(w, "in");
        json_open(w, '[');
        for (int k = 0; k < n->n_in; k++) json_int(w, n->in[k]);
        json_close(w, ']');
        setup_write_plugin(n->plugin, n->config, w);
        json_close(w, '}');
    }
    json_close(w, ']');
    json_put_int(w, "output", s->net->output);
}

static void setup_write_eval(const setup *s, json_writer *w)
{
    if (!s->data_settings.eval.copies) return;
    eval_settings settings = s->data_settings.eval;
    params_table own = settings_of_eval(&settings);
    setup_write_settings("eval", &own, w);
}

/* The content of the file that weights come from is hashed apart, as the dataset's is. */
static void setup_write_init(const setup *s, json_writer *w)
{
    if (!s->init.from && !s->init.n_freeze && !init_rules_any(&s->starts)) return;
    json_key(w, "init");
    json_open(w, '{');
    init_write(&s->init, s->net, w);
    if (init_rules_any(&s->starts)) init_rules_write(&s->starts, s->net, w);
    json_close(w, '}');
}

static void setup_write_losses(const setup *s, json_writer *w)
{
    json_key(w, "heads");
    json_open(w, '[');
    for (size_t i = 0; i < s->net->n_heads; i++) {
        json_int(w, s->net->heads[i].node);
        json_double(w, s->net->heads[i].weight);
    }
    json_close(w, ']');
    json_key(w, "loss");
    json_open(w, '{');
    setup_write_plugin(s->loss, s->loss_config, w);
    json_close(w, '}');
}

static void setup_write_train(const setup *s, json_writer *w)
{
    train_settings train = s->train;
    train.checkpoint_seconds = 0; /* moves no result, and neither does what is kept of it */
    train.keep = KEEP_AUTO;
    train.early_stopping = train.lr_range = NULL;
    stopping_settings stopping = s->stopping;
    lr_range_settings range = s->lr_range;
    params_table own = settings_of_train(&train), of_stopping = patience_of_stopping(&stopping),
                 of_range = settings_of_lr_range(&range);
    json_key(w, "train");
    json_open(w, '{');
    params_write(&own, w);
    if (s->stops_early) setup_write_settings("stopping", &of_stopping, w);
    if (s->tests_range) setup_write_settings("range", &of_range, w);
    json_close(w, '}');
}

void setup_canonical(const setup *s, text *out)
{
    json_writer w = {0};
    json_open(&w, '{');
    json_put_int(&w, "seed", (int64_t)s->x->seed);
    if (s->x->folds) {
        json_put_int(&w, "folds", s->data_settings.folds);
        json_put_int(&w, "fold", s->data_settings.fold);
    }
    setup_write_dataset(s, &w);
    setup_write_layers(s, &w);
    setup_write_eval(s, &w);
    setup_write_init(s, &w);
    setup_write_losses(s, &w);
    setup_write_train(s, &w);
    json_close(&w, '}');
    text_add(out, text_str(&w.out));
    text_free(&w.out);
}
