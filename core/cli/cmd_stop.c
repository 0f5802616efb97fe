/* `convoy stop`: asks who works on a run or a sweep to checkpoint and leave. */
#include "base/memory.h"
#include "cli/cli.h"
#include "sweep/halt.h"
#include "sweep/interrupt.h"
#include "sweep/runs.h"

static int stop(const common *c, const char *name)
{
    errors e = {0};
    halt_result how;
    char *dir = NULL;
    cvy_status status = halt_ask(c->results, name, &dir, &how, &e);
    if (status == CVY_OK && how == HALT_IDLE) {
        cli_say(c, "%s is not running", name);
    } else if (status == CVY_OK) {
        cli_say(c, "asked %s to stop; waiting for its checkpoint", name);
        interrupt_begin();
        if (!halt_wait(dir))
            status = CVY_FORCED; /* it stops all the same */
        else if (halt_came_to_end(dir))
            cli_say(c, "%s came to its end before it stopped", name);
        else
            cli_say(c, "%s has stopped: `convoy resume %s` goes on", name, name);
        interrupt_end();
    }
    mem_free(dir);
    int code = cli_fail(c, &e);
    return code ? code : (int)status;
}

static int run(const command *self, const common *c, void *given, int argc, char **argv)
{
    (void)given;
    if (argc != 1)
        return cli_usage(self, c, argc ? "unexpected \"%s\"" : "which run or sweep?", argc ? argv[1] : "");
    arena a = {0};
    errors e = {0};
    const char *name = NULL;
    runs_find(c->results, argv[0], &a, &name, &e);
    int code = cli_fail(c, &e);
    if (name) code = stop(c, name);
    arena_free(&a);
    return code;
}

const command cmd_stop = {
    .name = "stop",
    .summary = "Ask a run or sweep to checkpoint and stop",
    .usage = "convoy stop RUN|SWEEP",
    .examples = "convoy stop r12\n"
                "convoy stop s3",
    .run = run,
};
