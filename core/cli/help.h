/* Help texts, made of the command and option tables. */
#ifndef CLI_HELP_H
#define CLI_HELP_H

#include "cli/cli.h"

/* `convoy --help`: examples, commands, common options. */
void help_overview(const command *const *commands, size_t n, text *out);
/* `convoy CMD --help`: examples, usage, options. */
void help_command(const command *c, text *out);
/* `convoy CMD PART --help`: what of that belongs to one subcommand; false when the command has none of that name. */
bool help_part(const command *c, const char *part, text *out);

#endif
