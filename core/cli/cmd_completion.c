/* `convoy completion`: what a shell sources to complete commands and options. */
#include <string.h>

#include "base/memory.h"
#include "cli/completion.h"
#include "cli/dispatch.h"

static int run(const command *self, const common *c, void *options, int argc, char **argv)
{
    (void)options;
    static const struct {
        const char *shell;
        void (*write)(const command *const *commands, size_t n, text *out);
    } shells[] = {{"bash", completion_bash}, {"zsh", completion_zsh}, {"fish", completion_fish}};
    if (argc != 1) return cli_usage(self, c, "which shell: bash, zsh or fish?");
    for (size_t i = 0; i < sizeof shells / sizeof *shells; i++) {
        if (strcmp(argv[0], shells[i].shell) != 0) continue;
        size_t n;
        const command *const *commands = dispatch_commands(&n);
        text out = {0};
        shells[i].write(commands, n, &out);
        cli_print(&out);
        text_free(&out);
        return CVY_OK;
    }
    return cli_usage(self, c, "\"%s\" is not bash, zsh or fish", argv[0]);
}

const command cmd_completion = {
    .name = "completion",
    .summary = "Print completions for a shell",
    .usage = "convoy completion bash|zsh|fish",
    .examples = "source <(convoy completion bash)\n"
                "convoy completion bash > ~/.local/share/bash-completion/completions/convoy\n"
                "convoy completion zsh > ~/.zfunc/_convoy     # with fpath+=~/.zfunc before compinit\n"
                "convoy completion fish > ~/.config/fish/completions/convoy.fish",
    .run = run,
};
