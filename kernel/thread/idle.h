/*
 * What a CPU does when no thread is ready. The scheduler's.
 */
#ifndef TORC_KERNEL_IDLE_H
#define TORC_KERNEL_IDLE_H

struct cpu;

/*
 * Read the options: poll=US, how long a CPU may poll its slots before it
 * sleeps, 0 (the default: it does not) to 1000 microseconds. CPU 0, at
 * boot. Returns 0, -EINVAL after a line in the log.
 */
int idle_init(void) __attribute__((warn_unused_result));

/*
 * This CPU has slept, and a thread is ready: a handler of an interrupt, another
 * CPU or a damage has made it so. Interrupts are off. Of kernel/boot/asleep.c;
 * weak: NULL where that is not linked.
 */
__attribute__((weak)) void idle_woken_ready(const struct cpu *cpu);

/* Sleep unless something came since the last pass. The idle thread's. */
void idle_sleep(struct cpu *cpu);

#endif
