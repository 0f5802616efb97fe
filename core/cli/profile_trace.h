/* A few training steps as a trace that chrome://tracing and Perfetto show. */
#ifndef CLI_PROFILE_TRACE_H
#define CLI_PROFILE_TRACE_H

#include "cli/subject.h"
#include "graph/plan.h"

/* Writes the trace of `steps` training steps of an experiment into a file: its own data through its loader, its loss, its
 * optimizer. It is set up once more for that. */
cvy_status profile_trace(const subject *u, const common *c, int64_t steps, const char *path, errors *e);

#endif
