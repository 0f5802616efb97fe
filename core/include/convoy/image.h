/* Pictures in files, JPEG and PNG, decoded and scaled by the host for whoever reads them: datasets, augmentations. */
#ifndef CONVOY_IMAGE_H
#define CONVOY_IMAGE_H

#include "convoy/plugin.h"

/* One picture. Pixels are planes, (channels, height, width), as samples are. Like other readers of training data, it takes the
 * pixels as they are stored: an EXIF orientation is not applied, alpha is dropped, CMYK becomes RGB, 16 bits become 8. */
typedef struct cvy_image {
    const char *file;  /* read if `bytes` is NULL; named in messages */
    const void *bytes; /* the file's contents, if the caller has them */
    size_t n_bytes;
    int32_t
        channels; /* wanted: 1 grey (0.299 R + 0.587 G + 0.114 B), 3 RGB; 0: what the file has, filled in */
    /* Height, width: a JPEG may come out at 1/2, 1/4 or 1/8 of its size, which is faster, as long as both sides stay at least
     * this long. 0: at its own size. */
    int64_t least[2];
    int64_t most;          /* pixels (height * width) above which a file is refused; 0: 128 Mi */
    int64_t height, width; /* to fill: as it comes out */
    int64_t stored_height, stored_width; /* to fill: as it is in the file */
    /* NULL: whatever is wrong is reported. Else damage (no picture, a cut or damaged one) is not reported but written here;
     * "" after a failure says that it was something else, which is reported. */
    char *why;
    size_t why_size; /* bytes of it, with the NUL */
} cvy_image;

/* The functions themselves are members of cvy_host: image_size, image_read, image_resize. */

#endif
