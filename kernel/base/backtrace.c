#include "kernel/base/backtrace.h"
#include "hal/hal.h"
#include "kernel/base/panic.h"
#include "kernel/base/symbols_internal.h"
#include <stddef.h>
#include <torc/format.h>

enum { FRAMES_MAX = 24, BRIEF_MAX = 12 };

static void put_text(void *ctx, const char *text, size_t len)
{
    (void)ctx;
    hal_console_write(text, len);
    panic_screen_write(text, len);
}

void say_args(const char *format, va_list args)
{
    fmt_vsink(put_text, NULL, format, args);
}

void say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say_args(format, args);
    va_end(args);
}

static void say_line(uintptr_t ip)
{
    struct source_line line;

    if (symbol_line != NULL && symbol_line(ip, &line))
        say("  %s:%u", line.file, line.line);
}

/*
 * `after`: 1 for an address that a call returns to, which need not be of the
 * same line as the call, or of the same function; else 0.
 */
static void say_place(const char *label, uintptr_t ip, unsigned after)
{
    struct symbol symbol;

    say("  %s %016zx", label, ip);
    if (symbol_find(ip - after, &symbol)) {
        say("  %s+0x%zx", symbol.name, symbol.offset + after);
        say_line(ip - after);
    }
    say("\n");
}

/* What a function compiled with a frame pointer leaves on its stack. */
struct frame {
    uintptr_t caller;
    uintptr_t return_ip;
};

uintptr_t frame_next(struct frame_walk *walk)
{
    uintptr_t fp = walk->fp;
    const struct frame *frame = (const struct frame *)fp;

    if (fp == 0 || fp < walk->low || fp > walk->high ||
        walk->high - fp < sizeof(*frame) || fp % sizeof(uintptr_t) != 0)
        return 0;
    walk->fp = frame->caller > fp ? frame->caller : 0;
    return frame->return_ip;
}

void backtrace_callers(uintptr_t fp, uintptr_t low, uintptr_t high)
{
    struct frame_walk walk = {fp, low, high};
    uintptr_t ip;

    for (unsigned i = 0; i < FRAMES_MAX && (ip = frame_next(&walk)) != 0; i++)
        say_place("at", ip, 1);
}

void backtrace_in(uintptr_t ip)
{
    say_place("in", ip, 0);
}

void backtrace_at(uintptr_t return_ip)
{
    say_place("at", return_ip, 1);
}

void backtrace_print(uintptr_t ip, uintptr_t fp, uintptr_t low, uintptr_t high)
{
    backtrace_in(ip);
    backtrace_callers(fp, low, high);
}

void backtrace_brief(uintptr_t ip, uintptr_t fp, uintptr_t low, uintptr_t high)
{
    struct frame_walk walk = {fp, low, high};
    struct symbol symbol;

    for (unsigned i = 0; i < BRIEF_MAX && ip != 0; i++) {
        unsigned after = i > 0;

        if (symbol_find(ip - after, &symbol)) {
            say(i > 0 ? " < %s" : " %s", symbol.name);
            if (i == 0)
                say_line(ip);
        } else if (i == 0) {
            say(" %p", (void *)ip);
        }
        ip = frame_next(&walk);
    }
    say("\n");
}
