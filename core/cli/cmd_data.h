/* What the subcommands of `convoy data` share. */
#ifndef CLI_CMD_DATA_H
#define CLI_CMD_DATA_H

#include "cli/data_subject.h"

typedef struct data_args {
    const char *from, *to, *recipe; /* fetch; `to` and `recipe`: ls, info and verify too */
    bool keep, force;
    int64_t retries, timeout;
    const char *out, *part, *step, *sample; /* preview */
    int64_t rows, cols, epoch;
    bool steps, each;
} data_args;

/* argv: the operands behind the subcommand's name. */
int cmd_data_ls(const command *self, const common *c, const data_args *args, int argc, char **argv);
int cmd_data_info(const command *self, const common *c, const data_args *args, int argc, char **argv);
int cmd_data_fetch(const command *self, const common *c, const data_args *args, int argc, char **argv);
int cmd_data_verify(const command *self, const common *c, const data_args *args, int argc, char **argv);
int cmd_data_preview(const command *self, const common *c, const data_args *args, int argc, char **argv);

#endif
