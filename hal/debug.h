/*
 * For a debugger inside the machine: its CPUs stopped, looked at and let go
 * again, and a serial line to talk over. Bare metal has it; the hosted machine
 * has a system with debuggers beneath it.
 */
#ifndef TORC_HAL_DEBUG_H
#define TORC_HAL_DEBUG_H

#include "hal/hal.h"

/* The places of struct hal_registers that have no name in hal.h. */
enum { HAL_REGISTER_CS = 17, HAL_REGISTER_FLAGS = 18, HAL_REGISTER_SS = 20 };

enum { HAL_DEBUG_FP_SIZE = 512, HAL_DEBUG_POINTS = 4 };

/* A CPU that is stopped. What is changed here it goes on with. */
struct hal_debug_cpu {
    struct hal_registers registers;
    /* x87 and SSE, as FXSAVE has them (Intel SDM volume 1, 10.5.1). */
    uint8_t fp[HAL_DEBUG_FP_SIZE] __attribute__((aligned(16)));
};

/* Why the machine has stopped. */
enum hal_debug_reason {
    HAL_DEBUG_TRAP,      /* a breakpoint, a step, a watchpoint */
    HAL_DEBUG_INTERRUPT, /* ops->stop() */
    HAL_DEBUG_FAULT,     /* an exception that nobody has asked for */
};
struct hal_debug_stop {
    unsigned cpu;
    enum hal_debug_reason reason;
    int signal; /* the number of the signal that Unix would send: 5, 8, 11 */
    int point;  /* of ops->points(); -1: none */
};

/* What is to happen now. */
enum hal_debug_go {
    HAL_DEBUG_RUN,  /* all CPUs go on; of a fault: to the report of the panic */
    HAL_DEBUG_STEP, /* one CPU executes one instruction */
};

/*
 * Upcall: CPU stop->cpu has stopped, and all others are stopped as well. Runs
 * with interrupts off. With HAL_DEBUG_STEP *cpu is the one to step.
 */
enum hal_debug_go kernel_debug(const struct hal_debug_stop *stop,
                               unsigned *cpu);

/* Where CPUs stop, beside breakpoints in the code. */
struct hal_debug_point {
    enum {
        HAL_DEBUG_OFF,
        HAL_DEBUG_EXECUTE,
        HAL_DEBUG_WRITE,
        HAL_DEBUG_ACCESS
    } kind;
    uintptr_t address;
    unsigned size; /* bytes: 1, 2, 4, 8; the address is a multiple */
};

struct hal_debug_ops {
    /* Open serial port 2, 3 or 4. From now on CPUs stop for kernel_debug(), at
     * exceptions while is_awaited() (any CPU, interrupts off), and
     * received(byte) is called for each byte that comes while they run. CPU 0,
     * thread. Returns 0, -ENODEV, or as hal_irq_attach(): nothing is open. */
    int (*open)(unsigned port, void (*received)(uint8_t byte),
                bool (*is_awaited)(void));

    /* While all are stopped: the next byte, waiting for it; -1: it is
     * `deadline_ns` of hal_time_ns() (0: never; else on CPU 0 only). And send
     * one. */
    int (*get)(uint64_t deadline_ns);
    void (*put)(uint8_t byte);

    /* Stop here, for kernel_debug(), with this signal. Any context; in that of
     * a double fault nothing happens. */
    void (*stop)(int signal);

    /* While all are stopped: a CPU; NULL: there is none, or it did not stop. */
    struct hal_debug_cpu *(*cpu)(unsigned cpu);

    /* While all are stopped: whether one that did may execute an instruction by
     * itself. It may not while it waits to stop for a reason of its own. */
    bool (*can_step)(unsigned cpu);

    /* Copy memory, as far as there is any. Returns how many bytes. */
    size_t (*read)(uintptr_t from, void *to, size_t size);
    size_t (*write)(uintptr_t to, const void *from, size_t size);

    /* The points of all CPUs, from their next instruction on. */
    void (*points)(const struct hal_debug_point points[HAL_DEBUG_POINTS]);
};

/* NULL: this machine has none of it. */
extern const struct hal_debug_ops hal_debug_ops __attribute__((weak));

#endif
