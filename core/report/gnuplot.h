/* gnuplot as a process: a script in, a picture out. */
#ifndef REPORT_GNUPLOT_H
#define REPORT_GNUPLOT_H

#include <stdbool.h>
#include "base/error.h"

/* Runs gnuplot on `script`, without a shell, its settings files and most of our environment. What its
 * terminal draws goes to standard output and from there to `path`, which is replaced when the picture is
 * complete: no file name ever stands in a script, where `|` in front would make it a command. Without
 * gnuplot: CVY_ERR_CONFIG, naming the package. */
cvy_status gnuplot_draw(const text *script, const char *path, errors *e);

/* The same into *out, appended. */
cvy_status gnuplot_read(const text *script, text *out, errors *e);

/* 'text' as gnuplot reads it literally: control characters and what is not UTF-8 left out, cut to `most`
 * characters. A quote becomes the typographic one: gnuplot 5.4 reads a doubled quote as a quote only behind
 * another character, so a text that begins with one, or has two in a row, would end there and spoil the
 * script. */
void gnuplot_quote(text *script, const char *s, size_t most);

#endif
