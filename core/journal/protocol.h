/* What a supervisor and its children say to each other. Both wings read this page: sweep/ starts the
 * children, cli/ is the children's entry. There is no code behind it.
 *
 * PLANNING CHILD   convoy planner FILE [--plugin FILE]... [--threads N] [--model-only]
 *   Loads the plugins that the supervisor never loads. Standard input: a JSON array, one element per trial,
 * each
 *   {"overrides": ["train.epochs=2", ...], "seed": 3 | absent}. Standard output: one line of JSON per trial,
 * flushed at once, in order, so that a plugin that crashes while trial k is planned costs only trial k (the
 * supervisor starts another child for the rest):
 *     {"ok":false,"status":2,"errors":[...]}                        errors as errors_write_json() writes them
 *     {"ok":true,"errors":[warnings],"spec":"<YAML of spec.yaml>",
 *      "experiment":..,"seed":..,"base_dir":"/abs","config_hash":..,"exact_key":..,"model":..,"parameters":{..},
 *      "macs":..,"epochs":..,"steps_per_epoch":..,"memory_bytes":..,"checkpoint_bytes":..,"accuracy":true,"average":false,"params":{..},"plugins":[..],"environment":{..},
 *      "dataset":{..}}                                               members as in run.json, see
 * journal/record.h `config_hash` is over the resolved configuration with all defaults (not `experiment:` and
 * not paths of files), the kind, name and SHA-256 of every plugin used, and the dataset's fingerprint: equal
 * hash, equal results on equal machines. `exact_key` is a hash over the build of Convoy, library versions,
 * CPU features and thread count: bit-exact resumption is promised under an equal one.
 *
 *   With --probe also "probe":{"start_seconds":..,"step_seconds":..,"evaluation_seconds":..}, from a few steps that it trains.
 *   With --stream the trials are lines of JSON, and each is answered before the next one is read: a sweep that chooses
 *   its trials as it goes keeps the child. --base DIR is what the paths in FILE are relative to, where FILE is the sweep's copy.
 *
 * TRIAL            convoy trial RUN_DIR --threads N [--lifeline FD] [--until EPOCH] [--inexact] [--grouped]
 *   RUN_DIR holds run.json and spec.yaml. Takes RUN_DIR/lock (waiting up to 10 s), finds the last checkpoint,
 * starts journal.K+1, trains, ends. Standard output and error go to RUN_DIR/output.txt. FD is the read end of
 * a pipe whose write end the supervisor holds: end of file there means that the supervisor is gone; the trial
 * then finishes the step, checkpoints and exits 75. SIGTERM and SIGINT do the same; it also asks for SIGTERM
 * on its parent's death. OMP_NUM_THREADS and its kin are set by the supervisor before exec. Exit code: 0
 * finished, 75 stopped and resumable, 1 failed (non-finite loss), 2 configuration or data, 4 storage or
 *   memory, 5 plugin; the reason is the text of the `end` record. A signal is a crash. With --grouped what it writes in its
 *   first second is not made durable by itself: the supervisor does that once a second for all trials together.
 *
 * TRIAL SERVER     convoy trial --serve FD --threads N
 *   Of more than one trial, each is born as a copy of a process that has loaded libraries and plugins already. FD is a
 *   socket on which the supervisor asks for trials, each with the arguments, descriptors and cores that it would be started
 *   with; sweep/server.h has the words. A copy is the supervisor's child like any other and lives on when the server does not.
 *   Where a plugin file has changed since the server loaded it, or this library has, the copy starts the program anew and
 *   is what it would have been without a server. The server ends with the socket's other end.
 */
#ifndef JOURNAL_PROTOCOL_H
#define JOURNAL_PROTOCOL_H
#endif
