/* Frames on a tap: io_tap.c. */
#ifndef TORC_TESTS_BENCH_IO_TAP_H
#define TORC_TESTS_BENCH_IO_TAP_H

/* The commands of io_host.c that have to do with a tap. Print a sample; return
 * the exit status. */
int bench_tap(int argc, char **argv);

#endif
