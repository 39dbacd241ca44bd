/*
 * exception_catch(). The application's code is what lies in a section of this
 * program, of which the table of functions below tells; the exceptions are real
 * ones, in a machine that runs in a child process.
 */
#include "kernel/base/panic.h"
#include "kernel/thread/thread.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include <string.h>
#include <torc/exception.h>
#include <torc/log.h>
#include <torc/string.h>
#include <torc/thread.h>

#define APPLICATION noinline __attribute__((section("application")))

/* A function of the application, two of the kernel, and one of the application
 * that is 64 KiB long; the code of the kernel lies below them. */
__asm__(".pushsection application, \"ax\", @progbits\n"
        ".globl symbol_base\nsymbol_base:\n"
        "push %rbp\nmov %rsp, %rbp\n.fill 12, 1, 0x90\n" /* it has a frame */
        "push %rbp\n.fill 63, 1, 0x90\n"
        ".fill 16, 1, 0x90\n"
        "push %rbp\nmov %rsp, %rbp\n"
        ".popsection\n");
/* Of each: how far it is from the one before, \1 where the other kind begins,
 * its name. */
const uint8_t symbol_table[] = "\0\1app\0"
                               "\x10\1kernel\0"
                               "\x40"
                               "exception_catch\0"
                               "\x10\1app\0"
                               "\x80\x80\4";
const uint8_t symbol_pairs[1];

enum { FUNCTION_SIZE = 1024 }; /* of a function, with ASan's code */

static volatile uintptr_t hidden;
static char output[32768];

/* ---- What fails ---------------------------------------------------------- */

APPLICATION static int read_null(void *arg)
{
    volatile int local = 1; /* so that it has a frame */

    (void)arg;
    hidden = 8;
    return *(volatile int *)hidden + local;
}

APPLICATION static int divide(void *arg)
{
    (void)arg;
    __asm__ volatile("xorl %%ecx, %%ecx\n\tmovl $1, %%eax\n\tcltd\n\t"
                     "idivl %%ecx" ::
                         : "rax", "rcx", "rdx", "cc");
    return 1;
}

APPLICATION static int jump(void *arg)
{
    (void)arg;
    hidden = 16;
    ((void (*)(void))hidden)();
    return 1;
}

APPLICATION static int deep(void *arg)
{
    volatile char room[64];
    int depth = *(int *)arg;

    room[0] = 0;
    if (depth == 0)
        return read_null(NULL);
    *(int *)arg = depth - 1;
    return deep(arg) + room[0];
}

APPLICATION static int succeed(void *arg)
{
    return *(int *)arg + 1;
}

/* A local variable that is the address of the kernel's code. */
APPLICATION static int text_on_top(void *arg)
{
    (void)arg;
    __asm__ volatile("pushq %0\n\tmovq 8, %%rax\n\tpopq %%rax" ::"r"(
                         (uintptr_t)exception_catch + 1)
                     : "rax", "memory");
    return 1;
}

/* With a value on the x87 stack, and control words of its own. */
APPLICATION static int fail_in_sum(void *arg)
{
    const uint16_t control = 0xe7f;

    __asm__ volatile("fld1\n\tfldcw %0" ::"m"(control));
    __builtin_ia32_ldmxcsr(0x7f80);
    return read_null(arg);
}

/* ---- What is caught ------------------------------------------------------ */

static int catch_some(void *arg)
{
    struct exception what;
    int value = 0, depth = 30, one = 1;

    (void)arg;
    for (unsigned i = 0; i < 3; i++) {
        depth = 30;
        assert_int_equal(exception_catch(succeed, &one, &value, &what), 0);
        assert_int_equal(value, 2);
        assert_int_equal(exception_catch(read_null, NULL, &value, &what),
                         -EFAULT);
        assert_int_equal(what.address, 8);
        assert_string_equal(what.what, "segmentation fault");
        assert_in_range(what.ip, (uintptr_t)read_null,
                        (uintptr_t)read_null + FUNCTION_SIZE);
        assert_int_equal(exception_catch(divide, NULL, &value, &what), -EFAULT);
        assert_string_equal(what.what, "arithmetic fault");
        assert_int_equal(exception_catch(jump, NULL, &value, &what), -EFAULT);
        assert_int_equal(what.ip, 16);
        assert_int_equal(exception_catch(text_on_top, NULL, &value, NULL),
                         -EFAULT);
        assert_int_equal(exception_catch(deep, &depth, &value, NULL), -EFAULT);
        assert_int_equal(depth, 0);
        assert_null(thread_current()->catches);
        assert_null(thread_current()->cleanups);
        thread_yield();
    }
    return 0;
}

static noinline long double sum(volatile long double *part)
{
    return part[0] + (part[1] * part[2] + (part[3] + part[4] * part[5]));
}

/* More often than the x87 stack has places. */
static int catch_in_sums(void *arg)
{
    volatile long double part[6] = {1, 2, 3, 4, 5, 6};
    unsigned mxcsr = __builtin_ia32_stmxcsr();
    uint16_t before, after;
    int value;

    (void)arg;
    __asm__ volatile("fnstcw %0" : "=m"(before));
    for (unsigned i = 0; i < 9; i++) {
        assert_int_equal(exception_catch(fail_in_sum, NULL, &value, NULL),
                         -EFAULT);
        __asm__ volatile("fnstcw %0" : "=m"(after));
        assert_int_equal(after, before);
        assert_int_equal(__builtin_ia32_stmxcsr(), mxcsr);
        assert_true(sum(part) == 41);
    }
    return 0;
}

/* ---- Nested, with cleanups, and in several threads ----------------------- */

static char order[16];

static char names[] = "12io";

static void note(void *arg)
{
    order[strlen(order)] = *(char *)arg;
}

APPLICATION static int fail_with_cleanups(void *arg)
{
    struct thread_cleanup first, second;

    thread_cleanup_push(&first, note, &names[0]);
    thread_cleanup_push(&second, note, &names[1]);
    return read_null(arg);
}

APPLICATION static int nested(void *arg)
{
    int value;

    if (exception_catch(fail_with_cleanups, arg, &value, NULL) != -EFAULT)
        return 1;
    note(&names[2]);
    return divide(arg);
}

static int catch_nested(void *arg)
{
    struct thread_cleanup outer;
    int value;

    thread_cleanup_push(&outer, note, &names[3]);
    assert_int_equal(exception_catch(nested, arg, &value, NULL), -EFAULT);
    assert_string_equal(order, "21i");
    thread_cleanup_pop(&outer, true);
    assert_string_equal(order, "21io");
    return 0;
}

APPLICATION static int end_inside(void *arg)
{
    (void)arg;
    thread_exit(5);
}

APPLICATION static int yield_and_fail(void *arg)
{
    thread_yield();
    return read_null(arg);
}

static int catch_in_thread(void *arg)
{
    int value;

    return exception_catch(arg != NULL ? end_inside : yield_and_fail, NULL,
                           &value, NULL);
}

/* Each thread has its own; one that ends within the call leaves nothing. */
static int catch_in_threads(void *arg)
{
    thread_id id[3];
    int value;

    (void)arg;
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 3; i++)
            assert_int_equal(thread_create(NULL, catch_in_thread,
                                           i == 1 ? id : NULL, &id[i]),
                             0);
        for (unsigned i = 0; i < 3; i++) {
            assert_int_equal(thread_join(id[i], &value), 0);
            assert_int_equal(value, i == 1 ? 5 : -EFAULT);
        }
    }
    return 0;
}

static void test_exceptions_are_caught(void **state)
{
    static int (*const cases[])(void *) = {catch_some, catch_in_sums,
                                           catch_nested, catch_in_threads};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(machine_run(1, 8 << 20, cases[i], NULL), 0);
}

/* ---- What is not --------------------------------------------------------- */

static noinline int kernel_fails(void *arg)
{
    return *(volatile int *)arg;
}

APPLICATION static int call_kernel(void *arg)
{
    return kernel_fails(arg) + 1;
}

static noinline int kernel_calls(void *arg)
{
    return read_null(arg) + 1;
}

APPLICATION static int called_by_kernel(void *arg)
{
    return kernel_calls(arg) + 1;
}

APPLICATION static int overflow(void *arg)
{
    volatile char room[256];
    int (*volatile again)(void *) = overflow;

    room[0] = (char)hidden;
    return again(arg) + room[0];
}

APPLICATION static int damage(void *arg)
{
    cpu_self()->current = (void *)64;
    return read_null(arg);
}

static int (*failing)(void *);

static int catch_in_vain(void *arg)
{
    int value;

    (void)arg;
    return exception_catch(failing, (void *)8, &value, NULL);
}

static int fail_outside(void *arg)
{
    int value, one = 1;

    (void)arg;
    if (exception_catch(succeed, &one, &value, NULL) != 0)
        return 1;
    return read_null(NULL);
}

static int fail_in_catch(void *arg)
{
    thread_id id;

    (void)arg;
    /* the main thread's stack is not from a pool of threads, this one's is */
    if (thread_create(NULL, catch_in_vain, NULL, &id) != 0)
        return 1;
    return thread_join(id, NULL);
}

static void test_exceptions_that_are_not_caught(void **state)
{
    static const struct {
        int (*fn)(void *);
        const char *why;
    } rows[] = {
        {call_kernel, "  not caught: it is not in the application's code\n"},
        {called_by_kernel, "  not caught: "},
        {overflow, "panic: stack overflow"},
        {damage, ", address 0x8\npanic: the report has failed: "},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        failing = rows[i].fn;
        assert_int_equal(machine_run_output(1, 8 << 20, "", fail_in_catch, NULL,
                                            output, sizeof(output)),
                         134);
        ROW(rows[i].why, strstr(output, rows[i].why) != NULL);
    }
    assert_int_equal(machine_run_output(1, 8 << 20, "", fail_outside, NULL,
                                        output, sizeof(output)),
                     134);
    assert_null(strstr(output, "not caught"));
}

/* The application's code wants to catch it, and is not asked. */
static int fail_for_good(void *arg)
{
    const struct hal_fault fault = {.what = "made-up fault", .detail = ""};

    (void)arg;
    kernel_fault(&fault);
    return 0;
}

static void test_exception_that_ends_the_machine(void **state)
{
    (void)state;
    failing = fail_for_good;
    assert_int_equal(machine_run_output(1, 8 << 20, "", fail_in_catch, NULL,
                                        output, sizeof(output)),
                     134);
    assert_non_null(
        strstr(output, "  not caught: the machine cannot go on after it\n"));
}

/* ---- What an exception looks like ---------------------------------------- */

extern const char symbol_base[];

/* Places in the table above, from symbol_base. */
enum {
    NOWHERE = 0, /* in no function */
    APP_PUSH = 1,
    APP_MOV = 3,
    APP_FRAME = 4,
    APP = 12,
    KERNEL = 16 + 40,
    KERNEL_FIRST = 16 + 8,
    CATCH = 80 + 8,
};

static const char lost[] = "the stack is used up, or the stack pointer is lost";
static const char not_app[] = "it is not in the application's code";
static const char no_frames[] = "the frames on the stack are lost";
static const char by_kernel[] = "the kernel has called what it is in";

static uintptr_t place(unsigned offset)
{
    return offset == NOWHERE ? 0 : (uintptr_t)symbol_base + offset;
}

/* The exception is in the function that the outermost catch has called. */
static const struct {
    const char *what;
    unsigned ip, top; /* top: of the stack */
    enum hal_access access;
    bool is_elsewhere; /* what is touched: not the code itself */
    const char *why;   /* it is not left */
} looks[] = {
    {"in a frame", APP, KERNEL, HAL_READ, true, NULL},
    {"in a frame just made", APP_FRAME, KERNEL, HAL_READ, true, NULL},
    {"within the mov", APP_MOV, KERNEL, HAL_READ, true, not_app},
    {"before the mov", APP_PUSH, KERNEL, HAL_READ, true, not_app},
    {"called by app", APP_PUSH, APP, HAL_READ, true, NULL},
    {"called by catch", APP_PUSH, CATCH, HAL_READ, true, NULL},
    {"called by nobody", APP_PUSH, NOWHERE, HAL_READ, true, NULL},
    {"in the kernel", KERNEL, APP, HAL_READ, true, not_app},
    {"in no code", NOWHERE, APP, HAL_READ, true, not_app},
    {"a jump to nowhere", NOWHERE, APP, HAL_EXECUTE, false, NULL},
    {"the kernel's jump", NOWHERE, KERNEL, HAL_EXECUTE, false, not_app},
    {"no jump", NOWHERE, APP, HAL_EXECUTE, true, not_app},
    {"it reads itself", KERNEL, APP, HAL_READ, false, not_app},
    {"a late mov", KERNEL, KERNEL, HAL_EXECUTE, false, not_app},
    {"no mov", KERNEL_FIRST, KERNEL, HAL_EXECUTE, false, not_app},
    {"no push", CATCH, KERNEL, HAL_EXECUTE, false, not_app},
};

static void expect(const char *what, const struct hal_fault *fault,
                   const char *why)
{
    const char *got = exception_leave(fault);

    if (why == NULL) {
        uintptr_t sp = fault->registers->value[HAL_REGISTER_SP];

        ROW(what, got == NULL);
        ROW(what, sp % 16 == 8 && sp <= fault->sp - 128);
    } else {
        ROW(what, got != NULL && strcmp(got, why) == 0);
    }
}

static void look_at_stacks(struct hal_fault fault, uintptr_t catch_fp)
{
    struct thread *self = thread_current();
    char *stack = self->stack;
    uintptr_t *words = (uintptr_t *)fault.sp;

    fault.sp += 4;
    expect("odd stack pointer", &fault, lost);
    fault.sp = (uintptr_t)stack + 1016;
    expect("no room", &fault, lost);
    fault.sp = catch_fp;
    expect("above the catch", &fault, lost);
    fault.sp = (uintptr_t)words;
    self->stack = NULL;
    expect("no stack", &fault, lost);
    self->stack = stack;
    fault.fp = 0;
    expect("no frames", &fault, no_frames);
    fault.fp = fault.sp - 16;
    expect("frames below", &fault, no_frames);
    fault.fp = (uintptr_t)&words[2];
    words[2] = (uintptr_t)&words[4];
    words[3] = place(APP);
    words[4] = catch_fp;
    words[5] = place(CATCH);
    expect("two functions", &fault, NULL);
    words[3] = place(KERNEL);
    expect("called by the kernel", &fault, by_kernel);
    words[2] = 0;
    expect("the chain ends", &fault, by_kernel);
    words[3] = place(APP);
    expect("the chain ends in app", &fault, no_frames);
}

static noinline int look_inside(void *arg)
{
    uintptr_t catch_fp = *(uintptr_t *)__builtin_frame_address(0);
    uintptr_t *words = __builtin_alloca(8 * sizeof(*words));
    struct hal_registers registers;
    struct hal_fault fault = {.sp = (uintptr_t)words,
                              .fp = (uintptr_t)&words[2],
                              .registers = &registers};

    (void)arg;
    for (size_t i = 0; i < COUNT_OF(looks); i++) {
        words[0] = place(looks[i].top);
        words[2] = catch_fp;
        words[3] = place(CATCH);
        fault.ip = place(looks[i].ip);
        fault.address = looks[i].is_elsewhere ? 8 : fault.ip;
        fault.access = looks[i].access;
        expect(looks[i].what, &fault, looks[i].why);
    }
    fault.ip = place(APP);
    look_at_stacks(fault, catch_fp);
    return 0;
}

static int look_in_catch(void *arg)
{
    const struct hal_fault fault = {.ip = place(APP)};
    int value;

    (void)arg;
    expect("outside", &fault, "");
    return exception_catch(look_inside, NULL, &value, NULL);
}

static int look_in_thread(void *arg)
{
    thread_id id;
    int value;

    (void)arg;
    if (thread_create(NULL, look_in_catch, NULL, &id) != 0 ||
        thread_join(id, &value) != 0)
        return 1;
    return value;
}

static void test_what_may_be_left(void **state)
{
    (void)state;
    assert_int_equal(machine_run(1, 8 << 20, look_in_thread, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exceptions_are_caught),
        cmocka_unit_test(test_exceptions_that_are_not_caught),
        cmocka_unit_test(test_exception_that_ends_the_machine),
        cmocka_unit_test(test_what_may_be_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
