/* libyaml's complaints in words that say what to write. */
#ifndef CONFIG_TREE_PROBLEM_H
#define CONFIG_TREE_PROBLEM_H

#include <yaml.h>
#include "base/error.h"
#include "config/source.h"

/* Reports why `p` stopped. `s` is the text it was given, to look at the offending character. */
void tree_problem(const yaml_parser_t *p, const source *src, const char *s, size_t n, errors *e);

#endif
