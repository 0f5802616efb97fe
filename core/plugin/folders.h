/* Where plugin files are looked for when nobody named them. */
#ifndef PLUGIN_FOLDERS_H
#define PLUGIN_FOLDERS_H

#include "base/error.h"

/* The folders in order: CONVOY_PLUGIN_PATH, the user's data folder, beside the executable or the install
 * folder. NULL-terminated; the last two kinds are named even where they do not exist, since a user may want
 * to create them. What is wrong with CONVOY_PLUGIN_PATH becomes a warning. */
char **folders_list(errors *warnings);
void folders_free(char **list);

/* Calls fn with every *.so in the folder and two levels below it, in order of name: the outcome must not
 * depend on the file system's order. A folder that is not there has no files. */
void folders_scan(const char *folder, void (*fn)(void *ctx, const char *path), void *ctx, errors *warnings);

#endif
