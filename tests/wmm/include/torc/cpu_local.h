/* hal_cpu_local() on the model machine: a CPU is a model thread. */
#ifndef TORC_CPU_LOCAL_H
#define TORC_CPU_LOCAL_H

void *hal_cpu_local(void);

#endif
