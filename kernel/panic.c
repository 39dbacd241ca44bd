/*
 * The end with a reason. Everything here works with the heap broken and the
 * scheduler stopped: text goes straight to the console from a small buffer.
 */
#include "kernel/panic.h"
#include "hal/hal.h"
#include "kernel/lib/check.h"
#include "kernel/lib/fmt.h"
#include "kernel/symbols.h"
#include "kernel/thread.h"
#include <stdarg.h>

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

static void say_where(void)
{
    struct cpu *cpu = cpu_self();

    if (cpu == NULL)
        say("  on cpu %u, before its threads\n", hal_cpu_id());
    else
        say("  on cpu %u, thread %s\n", cpu->id,
            cpu->current != NULL ? thread_name_of(cpu->current) : "(boot)");
}

static _Noreturn void finish(uintptr_t fp)
{
    static bool again; /* any CPU; a second panic only ends faster */

    if (!again) {
        again = true;
        if (fp != 0)
            backtrace(fp, fp, fp + STACK_SPAN_MAX);
    }
    hal_abort();
}

void panic(const char *format, ...)
{
    va_list args;

    (void)hal_irq_save();
    say("\npanic: ");
    va_start(args, format);
    fmt_vsink(put_text, NULL, format, args);
    va_end(args);
    say("\n");
    say_where();
    finish((uintptr_t)__builtin_frame_address(0));
}

void check_failed(const char *file, int line, const char *expr)
{
    panic("%s:%d: assertion failed: %s", file, line, expr);
}

/* Whether an address is in the guard page below the current thread's stack. */
static bool in_guard_page(uintptr_t address)
{
    struct cpu *cpu = cpu_self();
    uintptr_t stack;

    if (cpu == NULL || cpu->current == NULL || cpu->current->stack == NULL)
        return false;
    stack = (uintptr_t)cpu->current->stack;
    return address < stack && address >= stack - HAL_PAGE_SIZE;
}

void kernel_fault(const struct hal_fault *fault)
{
    if (in_guard_page(fault->address))
        say("\npanic: stack overflow (%s at %p)\n", fault->what,
            (void *)fault->address);
    else
        say("\npanic: %s, address %p\n", fault->what, (void *)fault->address);
    say_where();
    say("%s", fault->detail);
    say_place("in", fault->ip);
    finish(in_guard_page(fault->fp) ? 0 : fault->fp);
}
