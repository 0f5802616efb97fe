/* What `convoy export` shares with the files of its subcommands. Private to them. */
#ifndef CLI_CMD_EXPORT_H
#define CLI_CMD_EXPORT_H

#include "cli/cli.h"

typedef struct export_args {
    const char *output, *which;
    text_list map;
    bool force, curves;
} export_args;

/* argv: the operands behind the subcommand. The exit code. */
int cmd_export_weights(const command *self, const common *c, const export_args *args, int argc, char **argv);

int cmd_export_csv(const command *self, const common *c, const export_args *args, int argc, char **argv);
int cmd_export_jsonl(const command *self, const common *c, const export_args *args, int argc, char **argv);
int cmd_export_sql(const command *self, const common *c, const export_args *args, int argc, char **argv);
int cmd_export_tensorboard(const command *self, const common *c, const export_args *args, int argc,
                           char **argv);

#endif
