/*
 * Execution contexts of the hosted machine: hal.h, section 5.
 *
 * The switch itself is in hal_inline.h. Here it is told to the sanitizers, when
 * the build has one: AddressSanitizer must know on which stack it is (it also
 * learns the bounds of the pthread's own), ThreadSanitizer keeps a history per
 * "fibre". Between two contexts of a CPU there is program order, so the fibre
 * switch synchronises.
 */
#include "hal/posix/kernel/context.h"
#include "hal/posix/kernel/cpu.h"
#include "hal/posix/kernel/exit.h"
#include "hal/posix/kernel/sanitize.h"
#include <torc/assert.h>

enum { STACK_MIN = 2048, STACK_ALIGN = 16 };

/* switch.S */
void context_enter(void);
_Noreturn void context_begin(void (*entry)(void *), void *arg);

void context_memory_fresh(void *base, size_t size)
{
    ASAN_UNPOISON_MEMORY_REGION(base, size);
}

/* After a switch, on the new stack, perhaps on another pthread than before. */
static void context_arrived(void *fake)
{
    struct hal_context *from;
    const void *base;
    size_t size;

    if (!CONTEXT_SWITCH_TOLD)
        return;
    from = vcpu_self()->switched_from;
    base = from->stack;
    size = from->stack_size;
    __sanitizer_finish_switch_fiber(fake, &base, &size);
    from->stack = (void *)(uintptr_t)base;
    from->stack_size = size;
}

void context_begin(void (*entry)(void *), void *arg)
{
    context_arrived(NULL);
    entry(arg);
    machine_bug("the entry function of a context returned");
}

void context_jump(struct vcpu *cpu, struct hal_context *from,
                  struct hal_context *to)
{
    void *fake = NULL;

    if (!CONTEXT_SWITCH_TOLD) {
        context_swap(from, to);
        return;
    }
    assert(cpu == vcpu_self());
    cpu->switched_from = from;
    from->host = __tsan_get_current_fiber();
    __sanitizer_start_switch_fiber(&fake, to->stack, to->stack_size);
    __tsan_switch_to_fiber(to->host, 0);
    context_swap(from, to);
    context_arrived(fake);
}

void hal_context_init(struct hal_context *ctx, void *stack, size_t size,
                      void (*entry)(void *), void *arg)
{
    uintptr_t base = (uintptr_t)stack;
    void **sp;

    if (base % STACK_ALIGN != 0 || size % STACK_ALIGN != 0 || size < STACK_MIN)
        machine_bug("hal_context_init() with a bad stack");
    context_memory_fresh(stack, size);
    ctx->stack = stack;
    ctx->stack_size = size;
    ctx->fp_control = CONTEXT_FP_INITIAL;
    ctx->host = __tsan_create_fiber(0);

    assert(entry != NULL);
    sp = (void **)(base + size);
    *--sp = (void *)(uintptr_t)entry;
    *--sp = arg;
    *--sp = (void *)(uintptr_t)context_enter;
    ctx->sp = sp;
}

void context_attend(void)
{
    cpu_attend(vcpu_self());
}

void context_switch_told(struct hal_context *from, struct hal_context *to)
{
    context_jump(vcpu_self(), from, to);
}

void hal_context_fini(struct hal_context *ctx)
{
    if (ctx->host != NULL)
        __tsan_destroy_fiber(ctx->host);
    ctx->host = NULL;
    /* Frames that never returned have left their red zones in the shadow. */
    context_memory_fresh(ctx->stack, ctx->stack_size);
}
