/*
 * What the files that read arguments share.
 */
#ifndef TORC_HAL_POSIX_HOST_ARGS_INTERNAL_H
#define TORC_HAL_POSIX_HOST_ARGS_INTERNAL_H

#include <stdint.h>

struct host_args;
struct host_net_config;

/* Put a line into args->error. Returns -EINVAL. */
int host_args_fail(struct host_args *args, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Read all of `text` as a decimal number, at most `limit`. Or -EINVAL. */
int host_number_parse(const char *text, uint64_t limit, uint64_t *out);

/* Read an option of --net link. Returns 0, -EINVAL. */
int host_link_option_parse(struct host_args *args, struct host_net_config *net,
                           const char *word);

/* Read the value of --net; `text` is changed. Returns 0, -EINVAL. */
int host_net_parse(struct host_args *args, char *text);

#endif
