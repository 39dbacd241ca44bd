/* Marks for tools that count instructions. */
#ifndef TORC_APPS_BENCH_MARKS_H
#define TORC_APPS_BENCH_MARKS_H

/*
 * Called around each load. They do nothing: tests/bench/insn_marks.c knows
 * their addresses and counts the instructions in between.
 */
void bench_begin(void);
void bench_end(void);

#endif
