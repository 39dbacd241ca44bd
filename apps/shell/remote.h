/*
 * Sessions by TCP. There is no password and nothing is encrypted: whoever
 * reaches the port has the machine. So it is off unless listen= says where, and
 * one session is open at a time.
 */
#ifndef TORC_APPS_SHELL_REMOTE_H
#define TORC_APPS_SHELL_REMOTE_H

#include <torc/compiler.h>
#include <torc/errno.h>

/* For torc_app.options. */
#define REMOTE_OPTION                                                      \
    "listen=ADDRESS:PORT sessions by TCP, without a password; 0.0.0.0 is " \
    "any address of the machine (off)"

/* Listen, as the option says. CPU 0, which has the stack. Returns 1; 0: it is
 * off; or after a line in the log -EINVAL (the option), or as socket_listen()
 * and thread_create(). */
must_check int remote_start(void);

#endif
