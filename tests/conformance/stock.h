/* A dataset plugin opened by hand, and files for it to read; knows no training. */
#ifndef CONFORMANCE_STOCK_H
#define CONFORMANCE_STOCK_H

#include "convoy/dataset.h"
#include "plugin_host.h"

typedef struct stock {
    plugin_host p;
    const cvy_dataset *type;
    cvy_dataset_open o;
    void *state;
    size_t bytes; /* elements of a sample */
} stock;

/* What open returned; on 0 the caller closes. */
int stock_open(stock *s, const char *file, const char *params, uint64_t seed, const char *base,
               const char *data);
void stock_close(stock *s);
int32_t stock_read(const stock *s, uint32_t split, int64_t index, void *pixels);

/* Opening must fail with this text, in which @ stands for `dir`. */
void stock_refused(const char *file, const char *params, const char *base, const char *data, const char *dir,
                   const char *wanted);

void put_bytes(const char *dir, const char *name, int64_t offset, const void *data, size_t n);
void put_size(const char *dir, const char *name, int64_t size);
void put_text(const char *dir, const char *name, const char *text); /* the whole file */

#endif
