/* hal_cpu_local() on the hosted machine, for <torc/...> too: see hal.h. */
#ifndef TORC_CPU_LOCAL_H
#define TORC_CPU_LOCAL_H

/*
 * What hal_cpu_set_local() stored, in thread-local storage; read in assembly,
 * because a kernel thread may continue on another pthread and compilers keep
 * the address of a thread-local across calls.
 */
static inline void *hal_cpu_local(void)
{
    void *local;

    __asm__ volatile("movq %%fs:machine_local@tpoff, %0" : "=r"(local));
    return local;
}

#endif
