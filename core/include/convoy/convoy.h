/* The library's own entry points. */
#ifndef CONVOY_CONVOY_H
#define CONVOY_CONVOY_H

#ifdef __cplusplus
extern "C" {
#endif

#define CVY_API __attribute__((visibility("default")))

/* "0.1.0" */
CVY_API const char *cvy_version(void);
/* The whole command line tool; returns its exit code. */
CVY_API int cvy_main(int argc, char **argv);

#ifdef __cplusplus
}
#endif
#endif
