/* The wall time, kept by servers of NTP: docs/net_services.md. */
#ifndef TORC_NET_NTP_H
#define TORC_NET_NTP_H

#include <torc/compiler.h>
#include <torc/errno.h>

/*
 * Let a thread of this CPU set the wall time of all CPUs, and keep it.
 *   server  a name, or an address as text, which must live for ever; NULL: the
 *           servers that DHCP has told of; they are found again when none tells
 *           the time
 * Returns 0; -ENOTCONN: this CPU has no stack; -ENOMEM, -EAGAIN as
 * thread_create(). What goes wrong later is in the log. Context: thread.
 */
must_check int net_ntp_start(const char *server);

#endif
