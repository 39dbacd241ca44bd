/*
 * The threads that answer Linux.
 */
#ifndef TORC_TOOLS_FUSE_WORKERS_H
#define TORC_TOOLS_FUSE_WORKERS_H

#include <torc/compiler.h>

/*
 * Mount, and answer requests until it is unmounted or is to end. Thread; waits.
 * Returns 0, -ENOMEM, or what conn_open() and conn_receive() say.
 */
must_check int workers_run(void);

#endif
