/* The network that a command's operands speak of: NAME|FILE [PATH=VALUE ...], with the plugins it needs. */
#ifndef CLI_SUBJECT_H
#define CLI_SUBJECT_H

#include "cli/cli.h"
#include "train/setup.h"

typedef struct subject {
    arena memory;
    experiment *x;
    registry *plugins;
    setup *s;
    int64_t batch; /* of the experiment's training, where it says one; else 128 */
} subject;         /* a zeroed one is empty and valid */

/* Reads and builds; false after reporting. The operands were checked by subject_operands(). */
bool subject_open(subject *u, const common *c, int argc, char **argv, errors *e);
void subject_close(subject *u);
/* CVY_OK, or the exit code after reporting operands that are no NAME with overrides behind it. */
int subject_operands(const command *self, const common *c, int argc, char **argv);

#endif
