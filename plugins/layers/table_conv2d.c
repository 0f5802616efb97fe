/* 2-D convolution with a connection table: each output map reads only the input maps that the table lists for it.
 *
 *   y[n,o,i,j] = b[o] + sum over the c connected to o and u,v of w[r(o,c),u,v] x[n, c, i s - p + u d, j s - p + v d]
 *
 * LeCun, Bottou, Bengio & Haffner, "Gradient-Based Learning Applied to Document Recognition", Proc. IEEE 1998, section
 * II.B, layer C3 and table I. There are weights for connections that exist and no others: one tensor (connections, Kh,
 * Kw), r counting first the connections of output map 0 in the order of the input maps, then those of map 1, ... With
 * kernels of 5x5 lenet5_c3 has the paper's 60 x 25 + 16 = 1,516 parameters. Weights and bias start uniform on
 * [-1/sqrt(fan_in), 1/sqrt(fan_in)] with fan_in = Kh Kw times the connections of an output map, on average. */
#include "conv_nd_flat.h"

typedef struct table_config {
    conv_config conv; /* must be first: the rows of conv_nd.h speak of it */
    int32_t table;
    cvy_ints connections;
} table_config;

enum { LENET5_C3, CUSTOM };
static const char *const tables[] = {"lenet5_c3", "custom", NULL};

static const cvy_param table_conv2d_params[] = {
    CVY_PARAM_(table_config, table, CVY_PARAM_ENUM, 0, NULL, 0, 0, tables,
               "lenet5_c3: 16 maps from 6, table I of the paper; custom: what `connections` says"),
    CVY_ALSO("connection_table conn_table"),
    CVY_INTS(
        table_config, connections, "[]", 0, 1,
        "a row per output map of as many zeros and ones as there are input maps, row after row; 1: reads it"),
    CVY_ALSO("conn_matrix"),
    CONV_WINDOW(CVY_PARAM_PAIR, 2, "pixels", ": one number or [height, width]"),
    CONV_BIAS,
};

enum { C3_MAPS = 16, C3_INPUTS = 6 };
static const char lenet5_c3[C3_MAPS][C3_INPUTS + 1] = {
    "111000", "011100", "001110", "000111", "100011", "110001", /* three neighbours */
    "111100", "011110", "001111", "100111", "110011", "111001", /* four neighbours */
    "110110", "011011", "101101",                               /* two and two */
    "111111"};

static int64_t maps_of(const table_config *c, int64_t inputs)
{
    return c->table == LENET5_C3 ? C3_MAPS : (int64_t)c->connections.n / inputs;
}

static bool connected(const table_config *c, int64_t inputs, int64_t o, int64_t i)
{
    return c->table == LENET5_C3 ? lenet5_c3[o][i] == '1' : c->connections.v[o * inputs + i] != 0;
}

static int expect_table(cvy_infer *in, const table_config *c)
{
    const int64_t inputs = in->in[0].dim[1];
    if (c->table == LENET5_C3 && c->connections.n)
        return cvy_fail(
            in, "connections: go with `table: custom`, not with `table: lenet5_c3`; remove one of them");
    if (c->table == LENET5_C3 && inputs != C3_INPUTS)
        return cvy_fail(in, "table: lenet5_c3 connects %d input maps, not %" PRId64 "; use `table: custom`",
                        C3_INPUTS, inputs);
    if (c->table == CUSTOM && (c->connections.n == 0 || c->connections.n % (size_t)inputs))
        return cvy_fail(in,
                        "connections: %zu numbers are not whole rows of %" PRId64
                        ", the input maps; write a row of zeros and ones per output map",
                        c->connections.n, inputs);
    return 0;
}

/* The table's connections, or -1 after reporting an output map without any. */
static int64_t count_connections(cvy_infer *in, const table_config *c, int64_t maps)
{
    const int64_t inputs = in->in[0].dim[1];
    int64_t all = 0;
    for (int64_t o = 0; o < maps; o++) {
        int64_t own = 0;
        for (int64_t i = 0; i < inputs; i++) own += connected(c, inputs, o, i);
        if (own == 0) {
            cvy_fail(in, "connections: output map %" PRId64 " reads no input map; its row needs a 1", o);
            return -1;
        }
        all += own;
    }
    return all;
}

static void warn_of_unread(cvy_infer *in, const table_config *c, int64_t maps)
{
    const int64_t inputs = in->in[0].dim[1];
    for (int64_t i = 0; i < inputs; i++) {
        bool read = false;
        for (int64_t o = 0; o < maps; o++) read = read || connected(c, inputs, o, i);
        if (!read) in->warn(in, "input map %" PRId64 " is read by no output map", i);
    }
}

/* The plain convolution around the table. */
static conv_config whole(const table_config *c, int64_t inputs)
{
    conv_config full = c->conv;
    full.groups = 1;
    full.channels = maps_of(c, inputs);
    return full;
}

static int table_infer(cvy_infer *in, const void *config)
{
    const table_config *c = config;
    if (conv_nd_expect(in, 2) || expect_table(in, c)) return 1;
    const int64_t inputs = in->in[0].dim[1];
    const conv_config full = whole(c, inputs);
    conv_nd g;
    if (conv_nd_shape(in, &full, 2, &g)) return 1;
    const int64_t connections = count_connections(in, c, full.channels);
    if (connections < 0) return 1;
    warn_of_unread(in, c, full.channels);
    const cvy_shape weight = {3, {connections, g.kernel[1], g.kernel[2]}};
    if (conv_nd_declare(in, &g, &weight, g.taps) || conv_flat_declare(in, &g)) return 1;
    in->scratch_bytes += full.channels * inputs * (int64_t)sizeof(int64_t); /* which kernel */
    return 0;
}

/* With the table laid out behind what the loops need of the call's scratch; kernels: connections. */
static conv_nd geometry(const cvy_plain *call, const table_config *c, int64_t *kernels)
{
    const int64_t inputs = call->in[0].dim[1];
    const conv_config full = whole(c, inputs);
    conv_nd g = conv_nd_of(&full, 2, false, call->in, call->out);
    int64_t *index = (int64_t *)((char *)call->scratch + conv_flat_bytes(&g));
    *kernels = 0;
    for (int64_t o = 0; o < full.channels; o++)
        for (int64_t i = 0; i < inputs; i++)
            index[o * inputs + i] = connected(c, inputs, o, i) ? (*kernels)++ : -1;
    g.index = index;
    return g;
}

static int table_forward(const cvy_plain *call, const void *config)
{
    int64_t kernels;
    const conv_nd g = geometry(call, config, &kernels);
    return conv_flat_forward(call, &g);
}

static int table_backward(const cvy_plain *call, const void *config)
{
    int64_t kernels;
    const conv_nd g = geometry(call, config, &kernels);
    return conv_flat_backward(call, &g, kernels);
}

static const cvy_layer table_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .infer = table_infer,
    .forward = table_forward,
    .backward = table_backward,
};

CVY_PLUGIN(CVY_LAYER, table_conv2d, "SpatialConvolutionMap TableConv2d",
           "2-D convolution in which each output map reads the input maps that a table lists; weights and "
           "bias start uniform, "
           "on +-1/sqrt(fan_in)",
           "LeCun et al. 1998, section II.B, table I", table_config, &table_layer,
           CVY_PARAMS(table_conv2d_params));
