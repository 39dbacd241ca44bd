/*
 * The end with a reason. Everything here works with the heap broken and the
 * scheduler stopped: text goes straight to the console from a small buffer.
 */
#include "kernel/base/panic.h"
#include "hal/hal.h"
#include "kernel/base/backtrace.h"
#include "kernel/base/symbols_internal.h"
#include <stdarg.h>
#include <stdatomic.h>
#include <torc/assert.h>
#include <torc/machine.h>
#include <torc/string.h>

enum { STACK_SPAN_MAX = 1024 * 1024, DETAIL_MAX = 640 };

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

/* What is reported, for the case that the report fails: CPU 0's or that of
 * whichever CPU hal_panic_begin() let through. */
static struct {
    const char *what;        /* NULL: panic() says it by itself */
    char detail[DETAIL_MAX]; /* the HAL's may be overwritten */
    const char *not_caught;
    uintptr_t ip;
    uintptr_t fp;      /* of the first frame */
    uintptr_t jump_sp; /* where it has jumped from lies here; 0: no jump */
    uintptr_t address;
    _Atomic bool is_open; /* other CPUs may ask until they are stopped */
    bool is_said;
    bool has_failed;
    unsigned part; /* the next one */
    struct panic_place place;
    struct hal_registers registers; /* of this CPU */
} report;

/* How the machine ends; constant after panic_options(). */
static enum hal_end end;

/* Constant after boot, until a report. */
static void (*screen)(const char *text, size_t len);

/* Constant after boot. */
enum { PARTS_MAX = 8 };
static void (*parts[PARTS_MAX])(void);
static unsigned part_count;

void panic_add_part(void (*fn)(void))
{
    for (unsigned i = 0; i < part_count; i++) {
        if (parts[i] == fn)
            return; /* tests boot again and again */
    }
    assert(part_count < PARTS_MAX);
    parts[part_count++] = fn;
}

void panic_options(void)
{
    const char *value = machine_option("panic");

    screen = NULL; /* that of an earlier boot is gone */
    end = HAL_END_OFF;
    if (value == NULL || str_equal(value, "off"))
        return;
    end = HAL_END_REBOOT; /* -1 and seconds, as Linux has it, too */
    if (str_equal(value, "halt") || str_equal(value, "0"))
        end = HAL_END_HALT;
}

const struct hal_registers *panic_registers(unsigned cpu)
{
    return cpu == hal_cpu_id() ? &report.registers : hal_stopped[cpu];
}

static void report_open(void)
{
    atomic_store_explicit(&report.is_open, true, memory_order_relaxed);
}

bool panic_is_reported(void)
{
    return atomic_load_explicit(&report.is_open, memory_order_relaxed);
}

void panic_set_screen(void (*write)(const char *text, size_t len))
{
    screen = write;
}

/* It is forgotten meanwhile: a report of a fault in it does not need it. */
void panic_screen_write(const char *text, size_t len)
{
    void (*write)(const char *, size_t) = screen;

    if (write == NULL || !panic_is_reported())
        return;
    screen = NULL;
    write(text, len);
    screen = write;
}

const struct panic_place *panic_place(void)
{
    return &report.place;
}

/* ---- The report, in order ------------------------------------------------ */

static void say_where(void)
{
    struct panic_thread thread;

    if (thread_here(&thread))
        say("  on cpu %u, thread %s\n", hal_cpu_id(), thread.name);
    else
        say("  on cpu %u, before its threads\n", hal_cpu_id());
    if (report.not_caught != NULL && report.not_caught[0] != '\0')
        say("  not caught: %s\n", report.not_caught);
}

/* Whether an address is in the guard page below the current thread's stack. */
static bool in_guard_page(uintptr_t address)
{
    struct panic_thread thread;

    if (!thread_here(&thread) || thread.stack == 0)
        return false;
    return address < thread.stack && address >= thread.stack - HAL_PAGE_SIZE;
}

static void say_stack(void)
{
    uintptr_t fp = report.fp;

    if (fp != 0 && in_guard_page(fp))
        fp = 0;
    if (report.what != NULL) {
        say("%s", report.detail);
        backtrace_in(report.ip);
    }
    if (report.jump_sp != 0)
        backtrace_at(*(const uintptr_t *)report.jump_sp);
    backtrace_callers(fp, fp, fp == 0 ? 0 : fp + STACK_SPAN_MAX);
}

/* Whether the place is in code that does not only report. */
static bool place_is(uintptr_t ip)
{
    struct panic_place *place = &report.place;

    if (!symbol_find(ip, &place->symbol) ||
        str_starts(place->symbol.name, "check_failed"))
        return false;
    place->is_known = true;
    place->has_line = symbol_line != NULL && symbol_line(ip, &place->line);
    return true;
}

static void find_place(void)
{
    struct frame_walk walk = {report.fp, report.fp, report.fp + STACK_SPAN_MAX};
    uintptr_t ip;

    if (place_is(report.what != NULL ? report.ip : report.ip - 1))
        return;
    if (report.jump_sp != 0 && place_is(*(const uintptr_t *)report.jump_sp - 1))
        return;
    /* past panic() to the caller of check_failed() */
    if (report.what == NULL)
        (void)frame_next(&walk);
    ip = frame_next(&walk);
    (void)place_is(ip - 1);
}

static void say_place_found(void)
{
    const struct panic_place *place = &report.place;

    if (!place->is_known)
        return;
    say("panic in %s", place->symbol.name);
    if (place->has_line)
        say(", %s:%u", place->line.file, place->line.line);
    say("\n");
}

/* A part that fails leaves the others their turn. */
static _Noreturn void report_rest(void)
{
    static void (*const first[])(void) = {say_where, say_stack, find_place};
    unsigned count = COUNT_OF(first) + part_count;

    while (report.part <= count) {
        unsigned i = report.part++;

        if (i < COUNT_OF(first))
            first[i]();
        else if (i < count)
            parts[i - COUNT_OF(first)]();
        else
            say_place_found();
    }
    hal_abort(end);
}

/* The report itself has run into a fault, or a panic. */
static _Noreturn void report_failed(const char *what, uintptr_t ip)
{
    if (report.has_failed) {
        say("\n  the report has failed again: %s at %p\n", what, (void *)ip);
        report_rest();
    }
    report.has_failed = true;
    if (!report.is_said && report.what != NULL)
        say("\npanic: %s at %p, address %p", report.what, (void *)report.ip,
            (void *)report.address);
    say("\npanic: the report has failed: %s at %p\n", what, (void *)ip);
    report_rest();
}

/* ---- What is reported ---------------------------------------------------- */

void panic(const char *format, ...)
{
    const uintptr_t *frame = __builtin_frame_address(0);
    va_list args;

    if (!hal_panic_begin())
        report_failed("another panic", (uintptr_t)__builtin_return_address(0));
    report_open();
    report.fp = (uintptr_t)frame;
    report.ip = (uintptr_t)__builtin_return_address(0);
    report.registers.value[HAL_REGISTER_IP] = report.ip - 1; /* in the call */
    report.registers.value[HAL_REGISTER_FP] = frame[0];
    report.registers.value[HAL_REGISTER_SP] = (uintptr_t)(frame + 2);
    say("\npanic: ");
    va_start(args, format);
    say_args(format, args);
    va_end(args);
    say("\n");
    report.is_said = true;
    report_rest();
}

void check_failed(const char *file, int line, const char *expr)
{
    bool has_text = expr != NULL;

    panic("%s:%d: assertion failed%s%s", file, line, has_text ? ": " : "",
          has_text ? expr : "");
}

void check_failed_line(int line)
{
    panic("line %d: assertion failed", line);
}

void check_failed_place(const char *place)
{
    panic("%s: assertion failed", place);
}

/* What was done to the address, as far as it tells more. */
static void say_access(const struct hal_fault *fault)
{
    static const char *const names[] = {"", "read", "write", "execution"};
    struct symbol symbol;
    const char *of = "";

    if (fault->access == HAL_ACCESS_NONE)
        return;
    if (fault->address < HAL_PAGE_SIZE)
        of = " of page 0 (a null pointer)";
    else if (symbol_find(fault->address, &symbol))
        of = " of text";
    else if (fault->access == HAL_EXECUTE)
        of = " of data";
    say(", %s%s", names[fault->access], of);
}

/* What the catcher is asked of. Each is its CPU's, with interrupts off. */
static struct {
    const char *what; /* NULL: it is not asked */
    uintptr_t ip, sp, fp, address;
} asked[HAL_CPU_MAX];

/* Whether a thread catches the fault; if not, *why says it. */
static bool is_caught(const struct hal_fault *fault, const char **why)
{
    unsigned cpu = hal_cpu_id();

    if (exception_leave == NULL)
        return false;
    *why = "the machine cannot go on after it";
    if (!fault->may_continue)
        return false;
    asked[cpu].ip = fault->ip;
    asked[cpu].sp = fault->sp;
    asked[cpu].fp = fault->fp;
    asked[cpu].address = fault->address;
    asked[cpu].what = fault->what;
    *why = exception_leave(fault);
    asked[cpu].what = NULL;
    return *why == NULL;
}

static _Noreturn void report_fault(const struct hal_fault *fault,
                                   const char *why)
{
    if (!hal_panic_begin())
        report_failed(fault->what, fault->ip);
    report_open();
    report.not_caught = why;
    report.what = fault->what;
    (void)str_copy(report.detail, sizeof(report.detail), fault->detail);
    report.ip = fault->ip;
    report.fp = fault->fp;
    report.address = fault->address;
    if (fault->access == HAL_EXECUTE && fault->address == fault->ip &&
        fault->sp % sizeof(uintptr_t) == 0)
        report.jump_sp = fault->sp;
    report.registers.value[HAL_REGISTER_IP] = fault->ip;
    report.registers.value[HAL_REGISTER_SP] = fault->sp;
    report.registers.value[HAL_REGISTER_FP] = fault->fp;
    if (fault->registers != NULL)
        report.registers = *fault->registers;
    say("\npanic: %s, address %p",
        in_guard_page(fault->address) ? "stack overflow" : fault->what,
        (void *)fault->address);
    say_access(fault);
    say("\n");
    report.is_said = true;
    report_rest();
}

void kernel_fault(const struct hal_fault *fault)
{
    unsigned cpu = hal_cpu_id();
    const char *why = NULL;
    struct hal_fault first = {.detail = ""};

    if (asked[cpu].what == NULL) {
        if (!is_caught(fault, &why))
            report_fault(fault, why);
        return;
    }
    /* The catcher has failed: what it was asked of is the cause. */
    first.what = asked[cpu].what;
    first.ip = asked[cpu].ip;
    first.sp = asked[cpu].sp;
    first.fp = asked[cpu].fp;
    first.address = asked[cpu].address;
    asked[cpu].what = NULL;
    report_fault(&first, "what the kernel knows of its threads is damaged");
}
