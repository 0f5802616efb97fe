/* The options by which `sweep` and `resume` say how trials are run. */
#ifndef CLI_LIMITS_H
#define CLI_LIMITS_H

#include "cli/launch.h"

typedef struct limit_args {
    int64_t workers, timeout, retries;
    const char *memory_limit;
    bool no_pin, fail_fast;
} limit_args;

#define LIMIT_ROW(T, args, field, letter, kind, value, fallback, least, most, help)                          \
    {                                                                                                        \
#field, letter, kind, offsetof(T, args) + offsetof(limit_args, field), value, help, fallback, least, \
            most                                                                                             \
    }

#define LIMIT_ROWS(T, args)                                                               \
    LIMIT_ROW(T, args, workers, 'j', OPTION_INT, "N", 0, 0, 1024,                         \
              "trials at a time; 0: as many as cores and memory carry"),                  \
        LIMIT_ROW(T, args, no_pin, 0, OPTION_FLAG, NULL, 0, INT64_MIN, INT64_MAX,         \
                  "do not give each worker cores of its own"),                            \
        LIMIT_ROW(T, args, timeout, 0, OPTION_INT, "SECONDS", 0, 0, INT64_C(1) << 40,     \
                  "end a trial that takes longer; 0: none"),                              \
        LIMIT_ROW(T, args, memory_limit, 0, OPTION_TEXT, "SIZE", 0, INT64_MIN, INT64_MAX, \
                  "end a trial that has more memory resident, as 800M or 2G"),            \
        LIMIT_ROW(T, args, retries, 0, OPTION_INT, "N", 0, 0, 100,                        \
                  "begin a trial that crashed again, N times, from its last checkpoint"), \
        LIMIT_ROW(T, args, fail_fast, 0, OPTION_FLAG, NULL, 0, INT64_MIN, INT64_MAX,      \
                  "stop everything when a trial fails")

/* False after reporting. */
bool limits_read(const common *c, const limit_args *args, launch_limits *out);

#endif
