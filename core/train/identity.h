/* Who a run is: the hash of what decides its result, and of what decides its bits. Knows no other run. */
#ifndef TRAIN_IDENTITY_H
#define TRAIN_IDENTITY_H

#include "base/json.h"
#include "device/machine.h"
#include "train/setup.h"

/* Over the canonical configuration, the plugins used (kind, name, SHA-256) the dataset's fingerprint and the
 * file that weights come from. */
void identity_config_hash(const setup *s, char hex[65]);
/* Over the build of Convoy (the file that holds this code), library versions, CPU features and thread count. */
cvy_status identity_exact_key(const machine *m, char hex[65], errors *e);
/* "environment": {...} into an open object; `folder`: whose git commit is recorded. */
void identity_write_environment(const machine *m, const char *folder, json_writer *w);

#endif
