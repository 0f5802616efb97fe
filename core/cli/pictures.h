/* The picture files that operands name: files, folders with all below them, `-` for names on standard input. And they as
 * a batch for a network. */
#ifndef CLI_PICTURES_H
#define CLI_PICTURES_H

#include "cli/cli.h"
#include "train/forward.h"

typedef struct pictures {
    char **files; /* in the operands' order; those of a folder by name */
    size_t n, cap;
} pictures; /* a zeroed one is empty */

/* False after reporting what is not there; the files found stay. Files that an operand or standard input names are taken
 * whatever they are called; of a folder .jpg, .jpeg and .png, without what begins with a dot. */
bool pictures_find(pictures *p, char **operands, int n, errors *e);
void pictures_free(pictures *p);

/* n files into the batch f->x, one sample for each of `copies`, by all threads at once. wrong (n): what was wrong with
 * each, with file and byte offset; its samples are zeros then. *shape: of the samples. Where data_imports_alike() says that
 * shapes differ, n is 1. `first`: the first file's number among all. */
void pictures_batch(char *const *files, int64_t first, int64_t n, int32_t copies, forward *f,
                    cvy_shape *shape, errors *wrong);

#endif
