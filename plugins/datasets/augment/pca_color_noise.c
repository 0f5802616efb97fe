/* PCA colour noise: one random colour added to the whole image, along the axes in which the colours of images vary.
 *
 * Krizhevsky, Sutskever & Hinton 2012, section 4.1: the pixel gains sum_k p_k alpha_k lambda_k, where p_k and lambda_k
 * are the eigenvectors and eigenvalues of the covariance of the images' RGB values and alpha_k is normal with
 * deviation 0.1. The defaults are the numbers for ImageNet on [0, 1] that circulate since fb.resnet.torch. */
#include "image.h"

typedef struct pca_config {
    double std;
    cvy_floats eigenvalues, eigenvectors;
    int32_t clip;
} pca_config;

static const cvy_param pca_params[] = {
    CVY_FLOAT(pca_config, std, 0.1, 0, 100, "standard deviation of alpha"),
    CVY_ALSO("alphastd alpha_std sigma stddev scale"),
    CVY_FLOATS(pca_config, eigenvalues, "[0.2175, 0.0188, 0.0045]", -1e6, 1e6,
               "three, of the covariance of R, G and B"),
    CVY_ALSO("eigval"),
    CVY_FLOATS(pca_config, eigenvectors,
               "[-0.5675, 0.7192, 0.4009, -0.5808, -0.0045, -0.8140, -0.5836, -0.6948, 0.4203]", -1e6, 1e6,
               "their vectors as the columns of three rows: R's parts, G's, B's"),
    CVY_ALSO("eigvec"),
    CVY_BOOL(pca_config, clip, false, "cut to [0, 1]; the paper does not"),
};

static int pca_infer(const cvy_host *host, const void *config, const cvy_shape *in, cvy_shape *out)
{
    const pca_config *c = config;
    if (image_expect_rgb(host, in)) return 1;
    if (c->eigenvalues.n != 3)
        return host->fail(host, "eigenvalues: %zu given for three colours; give 3", c->eigenvalues.n);
    if (c->eigenvectors.n != 9)
        return host->fail(host, "eigenvectors: %zu given; give the 3 x 3 matrix row by row, 9",
                          c->eigenvectors.n);
    *out = *in;
    return 0;
}

static int pca_apply(cvy_augment_call *call, const void *config)
{
    const pca_config *c = config;
    const int64_t n = call->in->dim[1] * call->in->dim[2];
    float alpha[4];
    image_normals(call->random, alpha);
    image_normals(call->random, alpha + 2);
    for (int64_t k = 0; k < 3; k++) {
        double sum = 0;
        for (int64_t v = 0; v < 3; v++)
            sum += c->eigenvectors.v[3 * k + v] * c->eigenvalues.v[v] * c->std * (double)alpha[v];
        const float *x = call->x + k * n, shift = (float)sum;
        float *y = call->y + k * n;
        for (int64_t i = 0; i < n; i++) y[i] = x[i] + shift;
    }
    if (c->clip) image_clamp_all(call->y, 3 * n);
    return 0;
}

static const cvy_augment pca_type = {.size = sizeof(cvy_augment), .infer = pca_infer, .apply = pca_apply};

CVY_PLUGIN(CVY_AUGMENT, pca_color_noise, "lighting Lighting FancyPCA fancy_pca pca_lighting pca_noise",
           "one random colour along the principal axes of colour added to the image; training only",
           "Krizhevsky et al. 2012, ImageNet Classification with Deep Convolutional Neural Networks, section "
           "4.1",
           pca_config, &pca_type, CVY_PARAMS(pca_params));
