/* Files by HTTP. Part of transfer.h; nobody else includes this. */
#ifndef FETCH_HTTP_H
#define FETCH_HTTP_H

#include "fetch/transfer.h"

/* One attempt, which goes on behind what an earlier one left, if the server still has the same file. */
cvy_status http_get(transfer *t, errors *e);

/* ---- of transfer.c ---- */

cvy_status transfer_write_failed(transfer *t, int why, errors *e);
/* -1 after reporting. */
int transfer_open_part(transfer *t, errors *e);
/* 0 or an errno. */
int transfer_write(int fd, const void *data, size_t n, int64_t at);

#endif
