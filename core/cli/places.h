/* Where files that come with Convoy are found. */
#ifndef CLI_PLACES_H
#define CLI_PLACES_H

/* Folders searched for model files besides the experiment's own, NULL-terminated, living as long as the
 * process. */
const char *const *places_architectures(void);

#endif
