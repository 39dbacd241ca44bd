/* hal_cpu_local() on x86-64, for <torc/...> too: see hal.h. */
#ifndef TORC_CPU_LOCAL_H
#define TORC_CPU_LOCAL_H

/* The per-CPU block is at %gs:0; hal/baremetal/cpu/cpu.c sets the base. */
static inline void *hal_cpu_local(void)
{
    void *local;

    __asm__ volatile("movq %%gs:0, %0" : "=r"(local));
    return local;
}

#endif
