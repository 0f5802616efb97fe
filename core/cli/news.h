/* What is told while trials run: a bar on a terminal, lines elsewhere. */
#ifndef CLI_NEWS_H
#define CLI_NEWS_H

#include "cli/live.h"
#include "cli/progress.h"
#include "sweep/supervise.h"

typedef struct news {
    const common *c;
    progress bar;
    live_screen screen;  /* of several trials */
    const trial *trials; /* all of them */
    size_t n;
    const book *book; /* which tells of them */
    int32_t *told;    /* epochs of each that had their line */
    bool *counted;    /* those among `ended` */
    size_t ended;
    const char *of;      /* "s3" for a sweep, else NULL */
    space_metric metric; /* of it */
} news;

news news_open(const common *c, const trial *trials, size_t n, const book *b, const char *of);
void news_close(news *n);
/* A supervise_options.tell; ctx is the news. */
void news_tell(void *ctx, supervise_news what, const trial *t, errors *warnings);

#endif
