/* What thread.c and sched.c share. */
#ifndef TORC_KERNEL_THREAD_INTERNAL_H
#define TORC_KERNEL_THREAD_INTERNAL_H

struct thread;

/* Set up the parts that need neither stack nor id. */
void thread_setup(struct thread *thread, const char *name);

/* Free the thread that ended just before this one went on, if any. */
void thread_reap(void);

#endif
