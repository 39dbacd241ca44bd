/*
 * Processor exceptions on the CPUs of the machine.
 */
#ifndef TORC_HAL_POSIX_HOST_FAULT_H
#define TORC_HAL_POSIX_HOST_FAULT_H

#include <stdint.h>

enum { HOST_REGISTERS = 27 }; /* as in struct hal_registers */

/* As struct hal_fault. */
struct host_fault {
    const char *what;
    uintptr_t ip, sp, fp, address;
    const char *detail;
    unsigned access; /* enum hal_access */
    uint64_t registers[HOST_REGISTERS];
};

/* The registers of a signal's context. */
void host_registers(const void *context, uint64_t *out);

/* From now on SIGSEGV and its like on a CPU call machine_fault(). */
void host_fault_catch(void);

/*
 * An exception on this CPU; called on its signal stack. If it returns, the CPU
 * goes on where the IP and SP of `registers` say. The kernel half implements it
 * (kernel/fault.c).
 */
void machine_fault(struct host_fault *fault);

/* This CPU was stopped for good, with these registers, which stay. */
void machine_stopped(const uint64_t *registers);

#endif
