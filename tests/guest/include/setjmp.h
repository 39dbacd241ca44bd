/* As in C (tests/guest/setjmp.S). */
#ifndef TORC_TESTS_GUEST_SETJMP_H
#define TORC_TESTS_GUEST_SETJMP_H

typedef unsigned long jmp_buf[8];

int setjmp(jmp_buf env) __attribute__((returns_twice));
_Noreturn void longjmp(jmp_buf env, int value);

#endif
