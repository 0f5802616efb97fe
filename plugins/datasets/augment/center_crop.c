/* Centre crop: the middle window of the image, in training and evaluation alike. */
#include "image.h"

typedef struct center_config {
    int64_t size[2];
} center_config;

static const cvy_param center_params[] = {
    CVY_PAIR(center_config, size, NULL, 1, 65536, "height and width of the result, pixels"),
    CVY_ALSO("height width crop_size output_size"),
};

static int center_infer(const cvy_host *host, const void *config, const cvy_shape *in, cvy_shape *out)
{
    const center_config *c = config;
    static const char *const side[] = {"high", "wide"};
    if (image_expect(host, in)) return 1;
    *out = *in;
    for (int i = 0; i < 2; i++) {
        if (c->size[i] > in->dim[1 + i])
            return host->fail(host,
                              "size: %lld is more than the image has, %lld pixels %s; lower size or put "
                              "`resize` before",
                              (long long)c->size[i], (long long)in->dim[1 + i], side[i]);
        out->dim[1 + i] = c->size[i];
    }
    return 0;
}

/* Half of an odd remainder rounds to the even number, as in torchvision's CenterCrop. */
static int64_t center_start(int64_t room)
{
    const int64_t half = room / 2;
    return half + (room % 2 && half % 2);
}

static int center_apply(cvy_augment_call *call, const void *config)
{
    (void)config;
    const int64_t h = call->in->dim[1], w = call->in->dim[2], oh = call->out->dim[1], ow = call->out->dim[2];
    const int64_t top = center_start(h - oh), left = center_start(w - ow);
    for (int64_t k = 0; k < call->in->dim[0]; k++)
        for (int64_t i = 0; i < oh; i++)
            memcpy(call->y + (k * oh + i) * ow, call->x + (k * h + top + i) * w + left,
                   sizeof *call->y * (size_t)ow);
    return 0;
}

static const cvy_augment center_type = {
    .size = sizeof(cvy_augment), .traits = CVY_AUGMENT_ALWAYS, .infer = center_infer, .apply = center_apply};

CVY_PLUGIN(CVY_AUGMENT, center_crop, "CenterCrop centre_crop middle_crop CenterSpatialCrop",
           "the middle window of the image, in evaluation too", "", center_config, &center_type,
           CVY_PARAMS(center_params));
