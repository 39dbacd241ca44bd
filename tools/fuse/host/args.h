/*
 * The arguments of torc-fuse.
 */
#ifndef TORC_TOOLS_FUSE_HOST_ARGS_H
#define TORC_TOOLS_FUSE_HOST_ARGS_H

#include "tools/fuse/host/config.h"

enum args_result { ARGS_RUN, ARGS_HELP, ARGS_VERSION, ARGS_WRONG };

/*
 * Read the arguments into *config; its strings point into argv, which is
 * changed. After ARGS_WRONG there is a line in `error`.
 */
enum args_result args_parse(int argc, char **argv, struct fuse_config *config,
                            char *error, size_t size);

extern const char args_help[];

#endif
