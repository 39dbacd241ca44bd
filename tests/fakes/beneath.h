/*
 * What the fakes of this folder stand on: the machine's own clock, entropy and
 * console, and machines for tests. beneath.c and beneath_machine.c are the
 * hosted machine's; the guest's is in tests/guest/. Only fakes call these.
 */
#ifndef TORC_TESTS_FAKES_BENEATH_H
#define TORC_TESTS_FAKES_BENEATH_H

#include <stddef.h>
#include <stdint.h>

struct hal_boot_info;
struct host_config;

uint64_t beneath_time_ns(void);
uint64_t beneath_wall_ns(void);
void beneath_timer_set(uint64_t deadline_ns); /* of the calling CPU */
size_t beneath_entropy(void *buf, size_t len);
void beneath_console_write(const char *text, size_t len);

/* Make a machine out of the calling thread; it ends the program when there is
 * no room for one. The machine before is closed. */
const struct hal_boot_info *beneath_open(const struct host_config *config);
void beneath_close(void);

/* Run a machine whose application is `torc_app` to its end, as a child. Returns
 * its exit status as machine_run() does; *text is what it printed, until the
 * next one runs. */
int beneath_run(const struct host_config *config, const char **text);

#endif
