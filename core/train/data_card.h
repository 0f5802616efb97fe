/* What must be known of a run's dataset to make its network answer when the data are gone: the shape of the samples, the
 * names of the classes, the statistics that images are normalized by. A trial writes it into its journal when it has
 * computed them; a record's checksum covers it. Knows no plugin. */
#ifndef TRAIN_DATA_CARD_H
#define TRAIN_DATA_CARD_H

#include "base/json.h"
#include "journal/journal.h"
#include "train/data.h"

typedef struct data_card {
    arena memory;
    const char *type;        /* of the dataset */
    cvy_dataset_info info;   /* without n; the names live in the arena */
    int64_t n[DATA_PARTS];   /* samples of the parts, as the run had them */
    cvy_channel_stats stats; /* of the training part; mean NULL: no step wanted them */
    bool
        complete; /* false: a step has learned something else from the training samples, which is not in here */
} data_card;      /* a zeroed one is empty */

/* Of an open dataset behind data_prepare(). */
cvy_status data_card_record(journal *j, const data *d, errors *e);

/* From the journals in a run's folder, the newest first. False without a message where there is none: the run has not
 * begun, or is of a Convoy that wrote none. To be freed either way. */
bool data_card_read(data_card *c, const char *dir);
void data_card_free(data_card *c);

#endif
