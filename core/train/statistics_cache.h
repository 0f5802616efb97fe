/* Statistics of training samples that were taken before, in the user's cache folder. Knows nothing of how they are taken. */
#ifndef TRAIN_STATISTICS_CACHE_H
#define TRAIN_STATISTICS_CACHE_H

#include "train/data.h"

/* What statistics depend on, hashed: the dataset's plugin file, configuration and fingerprint, and which of its samples train.
 * False: this cannot be told, and nothing is to be kept. */
bool statistics_key(const data *d, char key[65]);
/* Whether `channels` means and deviations of that key were kept; they are the bits that were. */
bool statistics_recall(const char *key, int64_t channels, float *mean, float *std);
/* A cache that cannot be written is no error. */
void statistics_remember(const char *key, int64_t channels, const float *mean, const float *std);

#endif
