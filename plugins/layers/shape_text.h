/* The wording of shapes in the messages of several layers. */
#ifndef SHAPE_TEXT_H
#define SHAPE_TEXT_H

#include <inttypes.h>
#include <stdio.h>

#include "convoy/layer.h"

/* "(N, 16, 8, 8)" */
static inline const char *shape_text(const cvy_shape *s, char text[128])
{
    char *end = text + sprintf(text, "(N");
    for (int i = 1; i < s->rank; i++) end += sprintf(end, ", %" PRId64, s->dim[i]);
    sprintf(end, ")");
    return text;
}

#endif
