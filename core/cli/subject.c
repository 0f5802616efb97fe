/* Owns the way from a command's operands to a built network; must not print, nor know what is done with it.
 */
#include "cli/subject.h"

#include "cli/places.h"

enum { BATCH = 128 }; /* what `train.batch_size` defaults to */

int subject_operands(const command *self, const common *c, int argc, char **argv)
{
    if (argc < 1) return cli_usage(self, c, "which model? Give its name, its file, or an experiment's file");
    if (cli_is_override(argv[0]))
        return cli_usage(self, c, "the model's name or file comes before \"%s\"", argv[0]);
    for (int i = 1; i < argc; i++)
        if (!cli_is_override(argv[i]))
            return cli_usage(self, c, "unexpected \"%s\": one model at a time, then PATH=VALUE", argv[i]);
    return CVY_OK;
}

static int64_t batch_of(const experiment *x)
{
    const node *given = experiment_get(x, "train.batch_size");
    int64_t batch = 0;
    errors ignored = {0}; /* the training settings are not what is asked about */
    bool good = given && node_int(given, &batch, &ignored) && batch >= 1 && batch <= 1048576;
    errors_free(&ignored);
    return good ? batch : BATCH;
}

bool subject_open(subject *u, const common *c, int argc, char **argv, errors *e)
{
    *u = (subject){0};
    u->x = experiment_of_model(argv[0], (const char *const *)(argv + 1), (size_t)(argc - 1),
                               places_architectures(), e);
    if (!u->x) return false;
    size_t n = 0, before = errors_count(e);
    const plugin_request *files = setup_plugins(u->x, c->plugin.items, c->plugin.n, &u->memory, &n, e);
    if (errors_count(e) == before) u->plugins = registry_open(files, n, e);
    if (u->plugins) u->s = setup_new(u->x, u->plugins, u->x->dir, SETUP_MODEL, e);
    u->batch = batch_of(u->x);
    return u->s != NULL;
}

void subject_close(subject *u)
{
    setup_free(u->s);
    registry_free(u->plugins);
    experiment_free(u->x);
    arena_free(&u->memory);
    *u = (subject){0};
}
