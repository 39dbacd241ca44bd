/*
 * Log lines. The console belongs to CPU 0: the others send their lines there
 * through the exchange slots, so lines of two CPUs never mix. Without memory
 * for the message a CPU writes by itself; a torn line is better than none.
 */
#include "kernel/boot/log.h"
#include "hal/hal.h"
#include "kernel/base/backtrace.h"
#include "kernel/base/panic.h"
#include "kernel/cpu/exchange_inline.h"
#include "kernel/cpu/percpu.h"
#include <torc/assert.h>
#include <torc/console.h>
#include <torc/format.h>
#include <torc/log.h>
#include <torc/log_listen.h>
#include <torc/machine.h>
#include <torc/memory.h>
#include <torc/string.h>
#include <torc/time.h>

struct line {
    struct exchange_item item;
    size_t len;
    bool is_heard; /* by the listener */
    char text[];
};

/* Constant after log_set_level() at boot. */
static enum log_level level_max = LOG_INFO;

/* CPU 0 only. */
static void (*listener)(const char *line, size_t len);
static struct log_sink *sinks;

void log_listen(void (*fn)(const char *line, size_t len))
{
    listener = fn;
}

void log_sink_add(struct log_sink *sink)
{
    sink->next = sinks;
    sinks = sink;
}

/* On CPU 0, once it has a kernel. */
static void show(const char *text, size_t len, bool is_heard)
{
    hal_console_write(text, len);
    for (struct log_sink *sink = sinks; sink != NULL; sink = sink->next)
        sink->write(sink, text, len);
    if (listener != NULL && is_heard)
        listener(text, len);
}

int log_set_level(const char *name)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};

    for (unsigned i = 0; i < COUNT_OF(names); i++) {
        if (str_equal(name, names[i])) {
            level_max = (enum log_level)i;
            return 0;
        }
    }
    return -EINVAL;
}

static void line_arrived(struct exchange_item *item)
{
    struct line *line = container_of(item, struct line, item);

    show(line->text, line->len, line->is_heard);
    mem_free(line);
}

/* ---- What was written last ----------------------------------------------- */

enum { TAIL_SIZE = LOG_TAIL_SIZE - sizeof(size_t), TAIL_LINES = 4 };

/* cpu->log_tail. Owner: the CPU. */
struct tail {
    size_t end; /* bytes so far; the last TAIL_SIZE of them are here */
    char text[TAIL_SIZE];
};
static_assert(sizeof(struct tail) == LOG_TAIL_SIZE, "log.h");

static void tail_add(struct tail *tail, const char *text, size_t len)
{
    while (tail != NULL && len > 0) {
        size_t at = tail->end % TAIL_SIZE;
        size_t part = len < TAIL_SIZE - at ? len : TAIL_SIZE - at;

        memcpy(tail->text + at, text, part);
        tail->end += part;
        text += part;
        len -= part;
    }
}

/* Where the last lines begin. */
static size_t tail_start(const struct tail *tail)
{
    size_t oldest = tail->end > TAIL_SIZE ? tail->end - TAIL_SIZE : 0;
    size_t start = tail->end, lines = 0;

    while (start > oldest) {
        if (tail->text[(start - 1) % TAIL_SIZE] == '\n' &&
            lines++ == TAIL_LINES)
            break;
        start--;
    }
    return start;
}

/* In a report of a panic: the other CPUs are stopped. */
static void say_tails(void)
{
    for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
        const struct cpu *its = cpu_if_any(cpu);
        const struct tail *tail = its != NULL ? its->log_tail : NULL;
        size_t start = tail != NULL ? tail_start(tail) : 0;

        if (tail == NULL || start == tail->end)
            continue;
        say("last lines of cpu %u:\n", cpu);
        for (; start < tail->end; start++) {
            hal_console_write(&tail->text[start % TAIL_SIZE], 1);
            panic_screen_write(&tail->text[start % TAIL_SIZE], 1);
        }
    }
}

void log_init(struct cpu *cpu, void *tail)
{
    panic_add_part(say_tails);
    sinks = NULL;
    cpu->log_tail = tail;
}

/* ---- Lines --------------------------------------------------------------- */

static void write_text(const char *text, size_t len, bool is_heard)
{
    struct cpu *cpu = cpu_self();
    struct line *line = NULL;

    if (panic_is_reported()) { /* CPUs and memory may be damaged */
        hal_console_write(text, len);
        panic_screen_write(text, len);
        return;
    }
    if (cpu != NULL)
        tail_add(cpu->log_tail, text, len);

    if (cpu != NULL && cpu->id != 0)
        line = mem_alloc(sizeof(*line) + len);
    if (line == NULL) {
        if (cpu != NULL && cpu->id == 0)
            show(text, len, is_heard);
        else
            hal_console_write(text, len);
        return;
    }
    line->item.run = line_arrived;
    line->len = len;
    line->is_heard = is_heard;
    memcpy(line->text, text, len);
    exchange_send(0, &line->item);
}

void log_write(enum log_level level, const char *format, ...)
{
    static const char *const prefix[] = {"error: ", "warning: ", "", "debug: "};
    char text[LOG_LINE_MAX];
    uint64_t now = hal_time_ns();
    va_list args;
    size_t len;

    if (level > level_max)
        return;
    len = fmt_print(text, sizeof(text), "[%3u.%06u] %s",
                    (unsigned)(now / NS_PER_S),
                    (unsigned)(now % NS_PER_S / NS_PER_US), prefix[level]);
    va_start(args, format);
    len += fmt_vprint(text + len, sizeof(text) - len, format, args);
    va_end(args);
    if (len > sizeof(text) - 1)
        len = sizeof(text) - 1;
    text[len++] = '\n'; /* in the place of the NUL */
    write_text(text, len, true);
}

void console_write(const char *text, size_t len)
{
    write_text(text, len, false);
}

void console_print(const char *format, ...)
{
    char text[LOG_LINE_MAX];
    va_list args;
    size_t len;

    va_start(args, format);
    len = fmt_vprint(text, sizeof(text), format, args);
    va_end(args);
    write_text(text, len < sizeof(text) ? len : sizeof(text) - 1, true);
}
