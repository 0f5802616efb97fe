/* The commands there are, for those who write about them: completions, the manual page. */
#ifndef CLI_DISPATCH_H
#define CLI_DISPATCH_H

#include "cli/cli.h"

/* In the order of the help, hidden ones among them. */
const command *const *dispatch_commands(size_t *n);

#endif
