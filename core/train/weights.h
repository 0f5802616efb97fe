/* Weights out of a safetensors file into a network: which tensor goes where, and whether they fit. Must not know who
 * wrote the file, nor train.
 *
 * Read are files as safetensors.torch.save_file(model.state_dict(), ...) leaves them, and Convoy's own checkpoints, of
 * which the weights and buffers count. F16, BF16 and F64 are converted. A tensor of another shape fits when its elements
 * lie alike: a linear weight (4096, 25088) into the convolution (4096, 512, 7, 7) that stands for it, and back. */
#ifndef TRAIN_WEIGHTS_H
#define TRAIN_WEIGHTS_H

#include "graph/state.h"
#include "train/init.h"

/* Reports everything in which the file and the network do not agree, without reading the data; warns of what is left as
 * initialised and of what is reshaped. */
cvy_status weights_check(const init_settings *s, const net *n, errors *e);
/* The same, silently where it only warns, and then the numbers into the state; nothing is changed unless all of them are
 * there and finite. */
cvy_status weights_load(const init_settings *s, state *into, errors *e);

#endif
