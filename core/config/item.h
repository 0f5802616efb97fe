/* The two ways to write a plugin with its parameters, brought to one form:
 *   conv2d                        - just a name
 *   conv2d: {channels: 32}        - in lists
 *   {type: conv2d, channels: 32}  - in single slots; each is accepted in the other's place. */
#ifndef CONFIG_ITEM_H
#define CONFIG_ITEM_H

#include "config/tree.h"

typedef struct item {
    const char *type;
    place type_at;
    const node *params; /* a map without `type`, `name` and `inputs`; an empty one when nothing was given */
    const char *name;   /* NULL when not given */
    place name_at;
    const node *inputs; /* list of names; NULL when not given */
} item;

/* `reserved`: whether `name` and `inputs` are taken out (layers) or left among the parameters. */
bool item_read(arena *a, const node *n, bool reserved, item *out, errors *e);

#endif
