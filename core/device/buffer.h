/* Large aligned memory for tensors. */
#ifndef DEVICE_BUFFER_H
#define DEVICE_BUFFER_H

#include <stddef.h>
#include "base/error.h"

#define BUFFER_ALIGN 64

/* Aligned to BUFFER_ALIGN (2 MiB and transparent huge pages advised from 4 MiB on), zeroed. NULL after
 * reporting CVY_ERR_RESOURCE with the size in people's units. */
void *buffer_new(size_t bytes, errors *e);
void buffer_free(void *p, size_t bytes);

#endif
