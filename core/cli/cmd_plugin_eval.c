/* `convoy plugin eval`: one layer, loss or optimizer computed on the tensors of a file. Reads, writes and talks; what
 * is computed is check/evaluate.h's. */
#include <string.h>

#include "base/memory.h"
#include "check/evaluate.h"
#include "cli/cmd_plugin.h"

const node *cmd_plugin_config(arena *a, const char *s, errors *e)
{
    if (!s) return NULL;
    const node *n = tree_read_text(a, "--config", arena_text(a, s), strlen(s), e);
    if (n && n->kind == NODE_MAP) return n;
    if (n && !node_is_null(n))
        errors_add(e, CVY_ERR_CONFIG, &n->at, "write --config '{kernel: 3}'", "expected a map of parameters");
    return NULL;
}

static void say_what_ran(const common *c, const evaluation *v, uint32_t kind)
{
    if (kind == CVY_LAYER && v->masked && !v->plain)
        cli_say(c,
                "layers with a given mask were computed by their own code, the others by the fast kernels");
}

static cvy_status evaluate(const common *c, const plugin_args *args, uint32_t kind, const char *name,
                           errors *e)
{
    arena a = {0};
    safetensors in = {0};
    exchange x = {0};
    evaluation v = {.name = name,
                    .params = cmd_plugin_config(&a, args->config, e),
                    .plain = args->kernels && !strcmp(args->kernels, "plain"),
                    .train = !args->eval};
    registry *r = errors_count(e) ? NULL : cmd_plugin_registry(c, e);
    if (r && !safetensors_read(args->in, &in, e)) {
        exchange_open(&x, args->in, &in, e);
        cvy_status status = kind == CVY_LAYER  ? evaluate_layer(r, &v, &x)
                            : kind == CVY_LOSS ? evaluate_loss(r, &v, &x)
                                               : evaluate_optimizer(r, &v, &x);
        if (!status && !safetensors_write(args->out, x.out, x.n_out, NULL, NULL, 0, e))
            say_what_ran(c, &v, kind);
        exchange_close(&x);
    }
    safetensors_free(&in);
    registry_free(r);
    arena_free(&a);
    return errors_status(e);
}

int cmd_plugin_eval(const command *self, const common *c, const plugin_args *args, int argc, char **argv)
{
    uint32_t kind;
    if (argc != 2) return cli_usage(self, c, "expected a kind (layer, loss, optimizer) and a name");
    if (!plugin_kind_parse(argv[0], &kind) || kind > CVY_OPTIMIZER)
        return cli_usage(self, c, "\"%s\" is none of layer, loss, optimizer", argv[0]);
    if (!args->in) return cli_usage(self, c, "--in FILE is missing: the tensors to compute on");
    if (!args->out) return cli_usage(self, c, "--out FILE is missing: where the result goes");
    if (args->kernels && strcmp(args->kernels, "plain") != 0 && strcmp(args->kernels, "fast") != 0)
        return cli_usage(self, c, "--kernels: \"%s\" is not plain or fast", args->kernels);
    if (args->train && args->eval) return cli_usage(self, c, "--train or --eval, not both");
    if (args->shape || args->sanitize)
        return cli_usage(self, c, "%s belongs to `plugin check`", args->shape ? "--shape" : "--sanitize");
    errors e = {0};
    evaluate(c, args, kind, argv[1], &e);
    return cli_fail(c, &e);
}
