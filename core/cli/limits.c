/* Owns how limits of trials are written on the command line; must not know how they are kept. */
#include "cli/limits.h"

#include <stdlib.h>
#include <string.h>

/* 800M, 2G, 1.5GiB, or bytes. */
static bool read_size(const char *s, int64_t *bytes)
{
    static const char units[] = "KMGT";
    char *end;
    double v = strtod(s, &end);
    if (end == s || !(v > 0)) return false;
    const char *unit = *end ? strchr(units, *end >= 'a' ? *end - 32 : *end) : NULL;
    if (unit) {
        for (const char *u = units; u <= unit; u++) v *= 1024;
        end++;
    }
    if (!strcmp(end, "B") || !strcmp(end, "iB")) end += strlen(end);
    if (*end || v > 9e18) return false;
    *bytes = (int64_t)v;
    return true;
}

bool limits_read(const common *c, const limit_args *args, launch_limits *out)
{
    *out = (launch_limits){.workers = args->workers,
                           .free_cores = args->no_pin,
                           .timeout = (double)args->timeout,
                           .retries = args->retries,
                           .fail_fast = args->fail_fast};
    if (!args->memory_limit || read_size(args->memory_limit, &out->memory)) return true;
    errors e = {0};
    errors_add(&e, CVY_ERR_CONFIG, NULL, "as --memory-limit 800M or --memory-limit 2G",
               "--memory-limit: \"%s\" is no size", args->memory_limit);
    cli_fail(c, &e);
    return false;
}
