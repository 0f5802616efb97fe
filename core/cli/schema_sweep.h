/* The part of the experiment file's JSON Schema that describes `sweep:`. */
#ifndef CLI_SCHEMA_SWEEP_H
#define CLI_SCHEMA_SWEEP_H

/* JSON texts; the second is referred to as #/$defs/sweep.parameters. */
extern const char *const schema_sweep, *const schema_sweep_parameters;

#endif
