/* Volumes (N, C, D, H, W) as the maps that a 2-D convolution takes: for each place z of the narrow side along the
 * depth one map (C K, H, W), whose channel c K + k is the slice of channel c that tap k of the kernel meets there.
 *
 *   maps (n, z)[c K + k] = x[n, c, z s - p + k d]        zeros where that is no slice
 *
 * With weights (O, C, K, Kh, Kw) read as (O, C K, Kh, Kw), which is the same memory, the 3-D convolution is then the 2-D
 * convolution of these maps; groups stay groups. */
#ifndef OPS_VOLUME_SLICES_H
#define OPS_VOLUME_SLICES_H

#include <stdbool.h>
#include <stdint.h>

typedef struct volume_slices {
    int64_t channels, depth, plane; /* C, D and H W of the volume */
    int64_t places, taps;           /* narrow places, K */
    int64_t stride, dilation, before;
    bool flip; /* the kernel's last tap first */
} volume_slices;

/* A volume of (C, D) whose slices are maps of their own, (N D, C, H, W). */
volume_slices volume_slices_own(int64_t channels, int64_t depth, int64_t plane);
/* Floats of one sample's maps in channel blocks of `block` (1: plain); -1 when that does not fit an int64_t. */
int64_t volume_slices_floats(const volume_slices *v, int64_t block);
/* x (n, C, D, H W) into maps. zeros: H W floats that are zero. */
void volume_slices_open(const volume_slices *v, int64_t n, int64_t block, const float *x, const float *zeros,
                        float *maps);
/* The way back, where taps is 1 and the places are the slices. */
void volume_slices_close(const volume_slices *v, int64_t n, int64_t block, const float *maps, float *x);
/* The sum of the way back: what open() does, transposed. rows: room for the maps of n samples without blocks, used
 * when block is above 1. */
void volume_slices_fold(const volume_slices *v, int64_t n, int64_t block, const float *maps, float *rows,
                        float *x);

#endif
