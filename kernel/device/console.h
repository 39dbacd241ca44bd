/*
 * What is typed, from inside: see <torc/console.h>. Drivers put bytes into one
 * queue, which belongs to CPU 0; threads of CPU 0 read it. A driver gives no
 * more than there is room for: then it keeps the rest in its device until
 * resume() tells that there is room again, so that a paste of any length is not
 * lost where the device can hold back who sends.
 */
#ifndef TORC_KERNEL_CONSOLE_H
#define TORC_KERNEL_CONSOLE_H

#include <stddef.h>
#include <torc/compiler.h>

/* What bytes come from. CPU 0 only. */
struct console_source {
    struct console_source *next;
    /* There is room again after there was none. Thread; must not wait. */
    void (*resume)(struct console_source *source);
};

/* From now on `source`, which stays for ever, may give bytes. CPU 0, thread.
 * Returns 0, -ENOMEM. */
must_check int console_source_add(struct console_source *source);

/* It gives none any more. CPU 0, thread or irq work. */
void console_source_end(struct console_source *source);

/* How many bytes console_input() takes now; 0: resume() will be called. CPU 0,
 * thread or irq work. */
size_t console_room(void);

/* Keep bytes back although there is some room: resume() will be called. */
void console_hold(void);

/* Give bytes, at most console_room(). CPU 0, thread or irq work. */
void console_input(const void *bytes, size_t len);

/* What is always true of the queue. For tests. */
void console_check(void);

#endif
