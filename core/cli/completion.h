/* Completions for shells, made of the command and option tables alone. */
#ifndef CLI_COMPLETION_H
#define CLI_COMPLETION_H

#include "cli/cli.h"

/* A script to be sourced by the shell. Hidden commands are left out. */
void completion_bash(const command *const *commands, size_t n, text *out);
void completion_zsh(const command *const *commands, size_t n, text *out);
void completion_fish(const command *const *commands, size_t n, text *out);

#endif
