/* stub */
#include "cli/cmd_plugin.h"
int cmd_plugin_check(const command *self, const common *c, const plugin_args *args, int argc, char **argv)
{
    (void)self, (void)c, (void)args, (void)argc, (void)argv;
    return 5;
}
