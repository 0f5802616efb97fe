/* What the files of setup share with each other alone. */
#ifndef TRAIN_SETUP_OWN_H
#define TRAIN_SETUP_OWN_H

#include "train/setup.h"

/* Whether what the network gives, heads included, can be compared with what the dataset says; with `all` also by the
 * loss. */
void setup_check_outputs(setup *s, bool all, errors *e);

#endif
