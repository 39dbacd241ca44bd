/* The queue of what is typed: see console.h. */
#include "kernel/device/console.h"
#include "kernel/cpu/percpu.h"
#include "kernel/thread/thread.h"
#include "kernel/thread/wait.h"
#include <torc/assert.h>
#include <torc/console.h>
#include <torc/memory.h>
#include <torc/string.h>

enum { QUEUE_SIZE = 1024 };

/* cpu->console of CPU 0, whose it is; NULL: there is no source. */
struct console {
    struct console_source *sources; /* that have not ended */
    struct wait_queue wait;         /* for bytes, or the end */
    bool is_full;                   /* a source keeps bytes back */
    size_t first, count;
    uint8_t bytes[QUEUE_SIZE];
};

static struct console *console_mine(void)
{
    assert(cpu_self()->id == 0);
    return cpu_self()->console;
}

int console_source_add(struct console_source *source)
{
    struct console *console = console_mine();

    if (console == NULL) {
        console = mem_alloc_zeroed(sizeof(*console));
        if (console == NULL)
            return -ENOMEM;
        wait_queue_init(&console->wait);
        cpu_self()->console = console;
    }
    source->next = console->sources;
    console->sources = source;
    return 0;
}

void console_source_end(struct console_source *source)
{
    struct console *console = console_mine();
    struct console_source **link = &console->sources;

    while (*link != source)
        link = &(*link)->next;
    *link = source->next;
    if (console->sources == NULL)
        wait_wake_all(&console->wait);
}

size_t console_room(void)
{
    struct console *console = console_mine();
    size_t room = QUEUE_SIZE - console->count;

    if (room == 0)
        console->is_full = true;
    return room;
}

void console_hold(void)
{
    console_mine()->is_full = true;
}

void console_input(const void *bytes, size_t len)
{
    struct console *console = console_mine();
    const uint8_t *from = bytes;

    assert(len <= QUEUE_SIZE - console->count);
    for (size_t i = 0; i < len; i++)
        console->bytes[(console->first + console->count++) % QUEUE_SIZE] =
            from[i];
    if (len > 0)
        wait_wake_one(&console->wait);
}

static size_t take(struct console *console, uint8_t *buf, size_t size)
{
    size_t len = 0;

    while (len < size && console->count > 0) {
        buf[len++] = console->bytes[console->first];
        console->first = (console->first + 1) % QUEUE_SIZE;
        console->count--;
    }
    return len;
}

/* A source that is told may end. */
static void resume_all(struct console *console)
{
    struct console_source *source = console->sources;

    console->is_full = false;
    while (source != NULL) {
        struct console_source *next = source->next;

        source->resume(source);
        source = next;
    }
}

int64_t console_read(void *buf, size_t size, uint64_t deadline_ns)
{
    struct console *console;
    size_t len;

    if (cpu_self()->id != 0)
        return -EXDEV;
    console = console_mine();
    if (console == NULL)
        return -ENODEV;
    assert(size > 0);
    while (console->count == 0 && console->sources != NULL) {
        int status = deadline_ns == 0
                         ? -ETIMEDOUT
                         : wait_killable(&console->wait, deadline_ns);

        if (status == -EINTR)
            thread_requests_handle();
        if (status == -ETIMEDOUT && console->count == 0)
            return -EAGAIN;
    }
    len = take(console, buf, size);
    if (console->count > 0)
        wait_wake_one(&console->wait); /* there is something for the next */
    if (console->is_full)
        resume_all(console);
    return (int64_t)len;
}

void console_check(void)
{
    const struct console *console = console_mine();

    if (console == NULL)
        return;
    wait_queue_check(&console->wait);
    assert(console->first < QUEUE_SIZE);
    assert(console->count <= QUEUE_SIZE);
}
