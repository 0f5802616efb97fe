/* Where in a picture a network has its answer from: the gradient of a score, Grad-CAM, occlusion. Knows networks and numbers,
 * and neither files nor colours. */
#ifndef TRAIN_SALIENCY_H
#define TRAIN_SALIENCY_H

#include "train/lens.h"

/* A map over the picture. */
typedef struct saliency_map {
    float *v; /* (h, w), mem_alloc'ed */
    int64_t h, w;
    double score;       /* of the class for the picture as it is: the network's output */
    double probability; /* softmax of the outputs, or the output itself where these are probabilities */
} saliency_map;         /* a zeroed one is empty */

void saliency_free(saliency_map *m);

/* What a picture is asked about. */
typedef struct saliency_subject {
    const net *net;
    state *state;
    cvy_shape sample; /* (C, H, W) */
    const float *x;   /* of this shape */
    int64_t unit;     /* the class */
} saliency_subject;

/* The classes' scores of the sample, (*n) of them, mem_alloc'ed into *y: of outputs over positions their means. */
cvy_status saliency_scores(const saliency_subject *s, float **y, int64_t *n, errors *e);

/* |d score / d x|, of the channels the largest: Simonyan, Vedaldi & Zisserman, "Deep Inside Convolutional Networks", 2014,
 * section 3. With `noisy` > 0 the mean over so many pictures with Gaussian noise of deviation `noise` times the picture's
 * range: SmoothGrad, Smilkov, Thorat, Kim, Viegas & Wattenberg 2017. */
typedef struct saliency_smooth {
    int64_t noisy;
    double noise;
    uint64_t seed;
} saliency_smooth;
cvy_status saliency_gradient(const saliency_subject *s, const saliency_smooth *o, saliency_map *m, errors *e);

/* relu(sum over k of a_k A_k), a_k being the mean over the positions of d score / d A_k: Selvaraju et al., "Grad-CAM", ICCV
 * 2017, equations 1 and 2. As large as the node's maps. */
cvy_status saliency_cam(const saliency_subject *s, int layer, saliency_map *m, errors *e);
/* The sum itself, from maps A (channels, positions) and the gradient with regard to them; out (positions). */
void saliency_cam_of(const float *a, const float *g, int64_t channels, int64_t positions, float *out);

/* The fall of the class's probability when a square of the picture is covered with the channels' means, at each pixel the mean
 * over the squares that cover it: Zeiler & Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014, section
 * 4.2. */
typedef struct saliency_patch {
    int64_t size, stride; /* pixels */
} saliency_patch;
cvy_status saliency_occlusion(const saliency_subject *s, const saliency_patch *o, saliency_map *m, errors *e);

/* The node that Grad-CAM takes where none is named: the last convolution (a layer with kernels that gives maps) and behind it
 * what keeps its shape: normalisation, addition, activation. -1: there is no convolution. */
int saliency_last_convolution(const net *n);
/* The last node behind a layer that is its only reader's only reader ... and keeps its shape; the layer itself where none is. */
int saliency_settled(const net *n, int layer);

/* (h, w) enlarged to (h2, w2) by straight lines between the middles of the pixels. */
void saliency_enlarge(const float *v, int64_t h, int64_t w, float *out, int64_t h2, int64_t w2);

#endif
