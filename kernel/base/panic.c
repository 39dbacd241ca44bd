/*
 * The end with a reason. Everything here works with the heap broken and the
 * scheduler stopped: text goes straight to the console from a small buffer.
 */
#include "kernel/base/panic.h"
#include "hal/hal.h"
#include "kernel/base/symbols.h"
#include <stdarg.h>
#include <torc/assert.h>
#include <torc/format.h>

enum { BACKTRACE_MAX = 24, STACK_SPAN_MAX = 1024 * 1024 };

static void put_text(void *ctx, const char *text, size_t len)
{
    (void)ctx;
    hal_console_write(text, len);
}

static void say(const char *format, ...) printf_like(1, 2);

static void say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fmt_vsink(put_text, NULL, format, args);
    va_end(args);
}

static void say_place(const char *label, uintptr_t ip)
{
    uintptr_t offset;
    const char *name = symbol_find(ip, &offset);

    if (name != NULL)
        say("  %s %016zx  %s+0x%zx\n", label, ip, name, offset);
    else
        say("  %s %016zx\n", label, ip);
}

/* What a function compiled with a frame pointer leaves on its stack. */
struct frame {
    const struct frame *caller;
    uintptr_t return_ip;
};

/*
 * Follow the frame pointers while they climb, stay aligned and stay in [low,
 * high): the stack may be what is broken.
 */
static void backtrace(uintptr_t fp, uintptr_t low, uintptr_t high)
{
    for (unsigned i = 0; i < BACKTRACE_MAX; i++) {
        const struct frame *frame = (const struct frame *)fp;

        if (fp < low || fp > high || high - fp < sizeof(*frame) ||
            fp % sizeof(uintptr_t) != 0 || frame->return_ip == 0)
            break;
        say_place("at", frame->return_ip);
        if ((uintptr_t)frame->caller <= fp)
            break;
        fp = (uintptr_t)frame->caller;
    }
}

void backtrace_print(uintptr_t ip, uintptr_t fp, uintptr_t low, uintptr_t high)
{
    say_place("in", ip);
    backtrace(fp, low, high);
}

/* Constant after boot; NULL: no threads yet. */
static bool (*describe_thread)(struct panic_thread *out);

void panic_set_describer(bool (*describe)(struct panic_thread *out))
{
    describe_thread = describe;
}

static bool thread_here(struct panic_thread *out)
{
    return describe_thread != NULL && describe_thread(out);
}

static void say_where(void)
{
    struct panic_thread thread;

    if (thread_here(&thread))
        say("  on cpu %u, thread %s\n", hal_cpu_id(), thread.name);
    else
        say("  on cpu %u, before its threads\n", hal_cpu_id());
}

/* What is reported, for the case that the report fails: CPU 0 or whichever CPU
 * hal_panic_begin() let through. */
static struct {
    const char *what; /* NULL: panic() says it by itself */
    uintptr_t ip;
    uintptr_t address;
    bool is_said;
    bool has_failed;
} report;

/* The report itself has run into a fault, or a panic. */
static _Noreturn void report_failed(const char *what, uintptr_t ip)
{
    if (!report.has_failed) {
        report.has_failed = true;
        if (!report.is_said && report.what != NULL)
            say("\npanic: %s at %p, address %p", report.what, (void *)report.ip,
                (void *)report.address);
        say("\npanic: the report has failed: %s at %p\n", what, (void *)ip);
    }
    hal_abort();
}

static _Noreturn void finish(uintptr_t fp)
{
    if (fp != 0)
        backtrace(fp, fp, fp + STACK_SPAN_MAX);
    hal_abort();
}

void panic(const char *format, ...)
{
    va_list args;

    if (!hal_panic_begin())
        report_failed("another panic", (uintptr_t)__builtin_return_address(0));
    say("\npanic: ");
    va_start(args, format);
    fmt_vsink(put_text, NULL, format, args);
    va_end(args);
    say("\n");
    report.is_said = true;
    say_where();
    finish((uintptr_t)__builtin_frame_address(0));
}

void check_failed(const char *file, int line, const char *expr)
{
    bool has_text = expr != NULL;

    panic("%s:%d: assertion failed%s%s", file, line, has_text ? ": " : "",
          has_text ? expr : "");
}

/* Whether an address is in the guard page below the current thread's stack. */
static bool in_guard_page(uintptr_t address)
{
    struct panic_thread thread;

    if (!thread_here(&thread) || thread.stack == 0)
        return false;
    return address < thread.stack && address >= thread.stack - HAL_PAGE_SIZE;
}

void kernel_fault(const struct hal_fault *fault)
{
    if (!hal_panic_begin())
        report_failed(fault->what, fault->ip);
    report.what = fault->what;
    report.ip = fault->ip;
    report.address = fault->address;
    say("\npanic: %s, address %p\n",
        in_guard_page(fault->address) ? "stack overflow" : fault->what,
        (void *)fault->address);
    report.is_said = true;
    say_where();
    say("%s", fault->detail);
    say_place("in", fault->ip);
    finish(in_guard_page(fault->fp) ? 0 : fault->fp);
}
