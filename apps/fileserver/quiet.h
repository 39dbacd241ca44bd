/*
 * A disk that is clean while nothing is changed. Some time after the last
 * change the file system is made read-only, so that it is marked clean, and may
 * lose its power; before the next change it is made writable again.
 *
 * Owner: the CPU of the site.
 */
#ifndef TORC_APPS_FILESERVER_QUIET_H
#define TORC_APPS_FILESERVER_QUIET_H

#include <torc/compiler.h>
#include <torc/time.h>

#define QUIET_NS (3 * NS_PER_S) /* from the last change on */

/* Begin: a thread of this CPU does it. Returns 0, -ENOMEM, -EAGAIN. */
must_check int quiet_start(void);

/* A change begins: until it ends what is mounted can be written, if that is
 * possible. There may be several at once. */
void quiet_wake(void);

/* A change that began has ended. */
void quiet_changed(void);

#endif
