/* How fast this machine multiplies and adds, measured: what the rates of kernels are shares of. No choice of a kernel may depend
 * on it, since it comes out a little different every time. */
#ifndef DEVICE_PEAK_H
#define DEVICE_PEAK_H

#include "device/machine.h"

/* Floating-point operations per second of m->threads threads together, in multiplications with addition of the machine's widest
 * vectors in registers; the best of many short measurements of each thread's own time, some 20 ms in all. */
double peak_measure(const machine *m);

#endif
