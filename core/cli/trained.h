/* A run as it was planned, opened to be looked at: its experiment, the plugins it was planned with, its dataset and
 * network. Its weights are train/checkpoint_weights.h's business. Nothing in its folder is changed. */
#ifndef CLI_TRAINED_H
#define CLI_TRAINED_H

#include "cli/cli.h"
#include "sweep/runs.h"
#include "train/data_card.h"
#include "train/setup.h"

/* The plugin files that a run.json names, each once, as registry_open_only() wants them; in the arena. */
plugin_request *trained_files(const json *run, arena *a, size_t *n);
/* A plugin in use whose file is not the one that a run.json's list of plugins has; NULL: none. */
const plugin_entry *trained_changed(const json *list, registry *r);

typedef struct trained_options {
    const char *const *overrides; /* PATH=VALUE, of which each path lies below `dataset.` */
    size_t n_overrides;
    int64_t height, width; /* what the images are resized to; 0: as they are */
    bool force;            /* with plugins that are no longer those of the run */
} trained_options;

typedef struct trained {
    arena memory;
    run_info run;
    experiment *x;
    registry *plugins;
    setup *s;
    char *spec;       /* path of its spec.yaml */
    data_card card;   /* what the run wrote down of its dataset, where that was read */
    const char *hint; /* why weights may not fit; NULL: they do */
} trained;            /* a zeroed one is empty and valid */

/* False after reporting. To be closed either way. Images are normalized by the statistics of the samples that the run
 * was trained on, whatever the overrides say. */
bool trained_open(trained *t, const common *c, const char *results, const char *run, const trained_options *o,
                  errors *e);
/* The same for a network that is to answer without its dataset: of this the run has written down what is needed (a run of
 * an older Convoy, or one whose preprocessing learns from samples, has not, and the dataset is opened). Its samples may not
 * be there. */
bool trained_recall(trained *t, const common *c, const char *results, const char *run,
                    const trained_options *o, errors *e);
void trained_close(trained *t);

/* Whether the overrides may be given; reports those that may not. */
bool trained_check_overrides(const trained_options *o, errors *e);

#endif
