/* What the subcommands of `convoy plugin` share. */
#ifndef CLI_CMD_PLUGIN_H
#define CLI_CMD_PLUGIN_H

#include "cli/cli.h"
#include "config/tree.h"
#include "convoy/layer.h"
#include "plugin/registry.h"

typedef struct plugin_args {
    const char *config, *in, *out, *kernels; /* eval; check takes `config` too */
    bool train, eval;
    const char *shape, *sanitize; /* check */
    int64_t timeout;
    bool composite; /* new */
    const char *directory;
} plugin_args;

/* The plugins of the folders and of --plugin; NULL after reporting. */
registry *cmd_plugin_registry(const common *c, errors *e);
/* --config as a map; NULL when not given or, with a message, when it is none. */
const node *cmd_plugin_config(arena *a, const char *s, errors *e);

/* For people: "2 or more" inputs; in which way it computes. `twin`: whether it comes in double precision too.
 */
void cmd_plugin_inputs(const cvy_layer *l, text *t);
void cmd_plugin_computes(const cvy_descriptor *d, bool twin, text *t);

/* argv: the operands behind the subcommand's name. */
int cmd_plugin_eval(const command *self, const common *c, const plugin_args *args, int argc, char **argv);
int cmd_plugin_check(const command *self, const common *c, const plugin_args *args, int argc, char **argv);
int cmd_plugin_new(const command *self, const common *c, const plugin_args *args, int argc, char **argv);
int cmd_plugin_docs(const command *self, const common *c, const plugin_args *args, int argc, char **argv);

#endif
