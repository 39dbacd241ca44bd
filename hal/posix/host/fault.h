/*
 * Processor exceptions on the CPUs of the machine.
 */
#ifndef TORC_HAL_POSIX_HOST_FAULT_H
#define TORC_HAL_POSIX_HOST_FAULT_H

#include <stdint.h>

/* As struct hal_fault. */
struct host_fault {
    const char *what;
    uintptr_t ip, sp, fp, address;
    const char *detail;
};

/* From now on SIGSEGV and its like on a CPU call machine_fault(). */
void host_fault_catch(void);

/*
 * An exception on this CPU; called on its signal stack. The kernel half
 * implements it (kernel/fault.c).
 */
_Noreturn void machine_fault(const struct host_fault *fault);

#endif
