/* What is not trained: tensors marked as frozen, and the layers that therefore compute as in evaluation. Knows no
 * names or patterns. */
#ifndef GRAPH_FREEZE_H
#define GRAPH_FREEZE_H

#include "graph/net.h"

/* To be called once net_tensor.frozen is set, before plans are made. A layer whose buffers are all frozen computes as
 * in evaluation, also in training: it reads its running statistics and leaves them. Buffers that are frozen in part
 * are an error, `at` its place (NULL: none). */
cvy_status freeze_settle(net *n, const place *at, errors *e);
/* Elements of the weights that are trained. */
int64_t freeze_trainable(const net *n);

#endif
