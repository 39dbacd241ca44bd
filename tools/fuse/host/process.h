/*
 * The process: its start in the background, its signals, its end.
 */
#ifndef TORC_TOOLS_FUSE_HOST_PROCESS_H
#define TORC_TOOLS_FUSE_HOST_PROCESS_H

/* Go on in the background, unless it is to stay in the foreground: who has
 * started the process is told later how it went. Before any thread. */
void process_begin(void);

/* Tell that it went well. The CPU's thread, once. */
void process_ready(void);

/*
 * Unmount on a thread of its own, since that may need the CPU that serves;
 * waits for a while. Not when it was asked for already.
 */
void process_unmount(void);

/*
 * Ask Linux for short turns (sched(7), sched_setattr(2), Linux 6.12): a thread
 * that wants little at a time is let in sooner when others want the processor,
 * and gets no more of it. For all threads that are made later.
 */
void process_hasten(void);

/* SIGINT, SIGTERM and SIGHUP unmount, or end the process before that. */
void process_catch(void);

#endif
