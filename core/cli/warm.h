/* What a trial server has loaded, and its trials find ready: plugin files, and what the build of Convoy is known by.
 *
 * A trial takes of it only what is what the trial would have loaded itself: the same files by path, time, size and inode, with
 * the sums that its run.json has. Where one of them is another by now, the trial has to start as a program of its own. */
#ifndef CLI_WARM_H
#define CLI_WARM_H

#include "base/json.h"
#include "plugin/registry.h"

typedef struct warm warm;

warm *warm_new(int64_t threads); /* of each trial */
void warm_free(warm *w);

/* After a trial was started: loads the plugins that its run names, for those that come. False: this process is not to be
 * copied any more, since something in it is not what it was taken for, or a plugin started a thread. */
bool warm_load(warm *w, const char *dir);

typedef enum warm_answer {
    WARM_NONE,   /* not loaded: it is to be opened as ever */
    WARM_READY,  /* as just opened */
    WARM_CHANGED /* a file that is in this process is another by now */
} warm_answer;
/* The plugins that a run.json names. What is handed out is the caller's. */
warm_answer warm_plugins(warm *w, const json *run, registry **out);
/* identity_exact_key()'s answer; NULL where it has to be found out anew. */
const char *warm_exact_key(const warm *w, int64_t threads);

#endif
