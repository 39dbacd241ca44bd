/*
 * An exception in the application's code ends the call of exception_catch()
 * that it happened in. The HAL lets the thread go on in go_back(), below the
 * frames that are left, so that the cleanups find these whole; from there it is
 * the compiler's long jump.
 */
#include "hal/hal.h"
#include "kernel/base/backtrace.h"
#include "kernel/base/panic.h"
#include "kernel/base/symbols.h"
#include "kernel/lib/poison.h"
#include "kernel/thread/thread.h"
#include <torc/exception.h>
#include <torc/string.h>

enum {
    ROOM_MIN = 1024, /* of a stack, for go_back() and cleanups */
    RED_ZONE = 128,  /* below the stack pointer, perhaps in use */
};

/* One call of exception_catch(), on its stack. */
struct exception_frame {
    struct exception_frame *outer;
    struct thread_cleanup cleanup; /* what is pushed later is the callee's */
    uintptr_t fp;
    uintptr_t left_sp; /* where the exception was */
    struct exception what;
    struct hal_context fp_control; /* only that is used of it */
    void *jump[5];
};

/* ---- May it be left? ----------------------------------------------------- */

static bool may_be_left(uintptr_t ip)
{
    struct symbol symbol;

    return symbol_find(ip, &symbol) && symbol.may_be_left;
}

/* Whether a function has made its frame before `ip`: it begins with push %rbp,
 * and mov %rsp, %rbp is soon behind that. */
static bool has_frame(uintptr_t ip)
{
    static const uint8_t mov[] = {0x48, 0x89, 0xe5};
    enum { PUSH = 0x55, SOON = 32 };
    struct symbol symbol;
    const uint8_t *code;

    if (!symbol_find(ip, &symbol))
        return false;
    code = (const uint8_t *)(ip - symbol.offset);
    for (size_t i = 1; code[0] == PUSH && i < SOON; i++) {
        if (i + sizeof(mov) > symbol.offset)
            return false;
        if (memcmp(code + i, mov, sizeof(mov)) == 0)
            return true;
    }
    return false;
}

/* A function that needs no stack has no frame: then perhaps the word on top of
 * the stack is where it returns to. It may also be a variable, but nobody can
 * tell. */
static bool top_may_be_left(uintptr_t ip, uintptr_t sp)
{
    uintptr_t top = *(const uintptr_t *)sp;
    struct symbol symbol;

    return has_frame(ip) || !symbol_find(top - 1, &symbol) ||
           symbol.may_be_left || str_equal(symbol.name, "exception_catch");
}

static const char *why_not(const struct hal_fault *fault,
                           const struct thread *self)
{
    const struct exception_frame *frame = self->catches;
    uintptr_t low = (uintptr_t)self->stack;
    struct frame_walk walk = {fault->fp, fault->sp, low + self->stack_size};
    bool jumped = fault->access == HAL_EXECUTE && fault->address == fault->ip;

    if (self->stack == NULL || fault->sp % sizeof(uintptr_t) != 0 ||
        fault->sp < low + ROOM_MIN || fault->sp >= frame->fp)
        return "the stack is used up, or the stack pointer is lost";
    if ((!jumped && !may_be_left(fault->ip)) ||
        !top_may_be_left(fault->ip, fault->sp))
        return "it is not in the application's code";
    while (walk.fp != frame->fp) {
        uintptr_t ip = frame_next(&walk);

        if (ip == 0)
            return "the frames on the stack are lost";
        if (walk.fp != frame->fp && !may_be_left(ip - 1))
            return "the kernel has called what it is in";
    }
    return NULL;
}

/* ---- The way back -------------------------------------------------------- */

/* The thread's own code again, on its stack. */
static _Noreturn void go_back(void)
{
    struct thread *self = thread_current();
    struct exception_frame *frame = self->catches;

    hal_context_switch_fp(NULL, &frame->fp_control);
    while (self->cleanups != &frame->cleanup) {
        struct thread_cleanup *cleanup = self->cleanups;

        self->cleanups = cleanup->next;
        cleanup->fn(cleanup->arg);
    }
    unpoison((void *)frame->left_sp, frame->fp - frame->left_sp);
    __builtin_longjmp(frame->jump, 1);
}

const char *exception_leave(const struct hal_fault *fault)
{
    struct cpu *cpu = cpu_self();
    struct thread *self = cpu != NULL ? cpu->current : NULL;
    const char *why;
    uint64_t *value;

    if (self == NULL || self->catches == NULL)
        return "";
    why = why_not(fault, self);
    if (why != NULL)
        return why;
    value = fault->registers->value;
    self->catches->left_sp = fault->sp - RED_ZONE;
    self->catches->what = (struct exception){
        .what = fault->what, .ip = fault->ip, .address = fault->address};
    value[HAL_REGISTER_IP] = (uintptr_t)go_back;
    /* as after a call: System V ABI, AMD64, 3.2.2 */
    value[HAL_REGISTER_SP] =
        ((fault->sp - RED_ZONE) & ~(uintptr_t)15) - sizeof(uintptr_t);
    return NULL;
}

static void forget(void *arg)
{
    const struct exception_frame *frame = arg;

    thread_current()->catches = frame->outer;
}

int exception_catch(int (*fn)(void *arg), void *arg, int *value,
                    struct exception *exception)
{
    struct exception_frame frame = {
        .outer = thread_current()->catches,
        .fp = (uintptr_t)__builtin_frame_address(0),
    };

    hal_context_switch_fp(&frame.fp_control, NULL);
    hal_context_switch_fp(NULL, &frame.fp_control);
    thread_cleanup_push(&frame.cleanup, forget, &frame);
    thread_current()->catches = &frame;
    if (__builtin_setjmp(frame.jump) == 0) {
        *value = fn(arg);
        thread_cleanup_pop(&frame.cleanup, true);
        return 0;
    }
    thread_cleanup_pop(&frame.cleanup, true);
    if (exception != NULL)
        *exception = frame.what;
    return -EFAULT;
}
