/* Reading with a choice the public face does not offer. */
#ifndef CONFIG_TREE_READ_H
#define CONFIG_TREE_READ_H

#include "config/tree.h"

enum { TREE_BYTES_MAX = 1 << 20, TREE_DEPTH_MAX = 32, TREE_NODES_MAX = 10000 };

/* As tree_read_text(); with `numbered` false places have no line: for a value on the command line, which is
 * shown whole as the name. */
node *tree_read_value(arena *a, const char *name, const char *s, size_t n, bool numbered, errors *e);
/* Nodes and nesting of a tree against the limits of a file; reports at the root what it exceeds. */
bool tree_within_limits(const node *n, errors *e);

#endif
