/* The safetensors file format: named float tensors and a map of strings. Knows no network.
 *
 * u64 little-endian header length N, N bytes of JSON (name -> {dtype, shape, data_offsets}, "__metadata__" -> strings),
 * then the data, row-major little-endian, without holes or overlaps. Files from outside are hostile until checked. */
#ifndef TRAIN_SAFETENSORS_H
#define TRAIN_SAFETENSORS_H

#include <stdbool.h>

#include "base/error.h"
#include "base/memory.h"
#include "convoy/plugin.h"

typedef struct safetensor {
    const char *name;
    cvy_shape shape;   /* rank 0 .. CVY_MAX_RANK */
    const float *data; /* F32; when read, into the file's memory (8-byte aligned start) */
    int64_t count;
} safetensor;

typedef struct safetensors {
    arena memory; /* owns everything when read */
    safetensor *items;
    const char **dtypes; /* as the file has them: "F32"; static text */
    int64_t *offsets;    /* of their first bytes in the file */
    size_t n;
    const char **keys, **values; /* __metadata__ */
    size_t n_metadata;
    void *file;   /* the bytes read */
    void *floats; /* what was converted */
} safetensors;

/* Writes durably and atomically: temporary name, data streamed, fsync, rename, fsync of the folder. Tensors in the order
 * given, metadata keys too; the bytes depend on nothing else. Refuses duplicate names. */
cvy_status safetensors_write(const char *path, const safetensor *items, size_t n, const char *const *keys,
                             const char *const *values, size_t n_metadata, errors *e);
/* The same but for the last step, the fsync of the folder: the file's data are safe, and a power cut within the next
 * seconds may bring the old file back, never half of one. Files written so keep their order. */
cvy_status safetensors_write_loose(const char *path, const safetensor *items, size_t n,
                                   const char *const *keys, const char *const *values, size_t n_metadata,
                                   errors *e);
/* The same without waiting for the disk at all. */
cvy_status safetensors_write_unsynced(const char *path, const safetensor *items, size_t n,
                                      const char *const *keys, const char *const *values, size_t n_metadata,
                                      errors *e);
/* Reads and checks the whole file: F32 tensors only here (others are an error naming dtype and tensor). Errors carry file
 * and byte offset. On failure *out is empty. */
cvy_status safetensors_read(const char *path, safetensors *out, errors *e);
/* The same for files of other programs: F64 (rounded), F16 and BF16 come as F32. Tensors of whole numbers or booleans
 * are listed without data. */
cvy_status safetensors_read_foreign(const char *path, safetensors *out, errors *e);
/* What such a file holds, checked as closely, but without the data: data is NULL throughout. */
cvy_status safetensors_read_header(const char *path, safetensors *out, errors *e);
/* Whether a type of the format is one that comes as F32. */
bool safetensors_is_float(const char *dtype);
void safetensors_free(safetensors *s);
const safetensor *safetensors_find(const safetensors *s, const char *name);
const char *safetensors_metadata(const safetensors *s, const char *key); /* NULL when absent */

#endif
