/* As in C, in the guest (tests/guest/libc.c). */
#ifndef TORC_TESTS_GUEST_STDLIB_H
#define TORC_TESTS_GUEST_STDLIB_H

#include <stddef.h>
#include <sys/wait.h>

enum { EXIT_SUCCESS, EXIT_FAILURE, RAND_MAX = 0x7fffffff };

void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void *realloc(void *ptr, size_t size);
void *aligned_alloc(size_t align, size_t size);
void free(void *ptr);
_Noreturn void abort(void);
_Noreturn void exit(int status);
int atexit(void (*fn)(void));
char *getenv(const char *name);  /* NULL: the guest has no environment */
int system(const char *command); /* these three are the host's: host.c */
int mkstemp(char *path);
char *mkdtemp(char *path);
int rand(void);
int rand_r(unsigned *seed);
void srand(unsigned seed);
int abs(int value);
long long llabs(long long value);
long labs(long value);
int atoi(const char *s);
long strtol(const char *s, char **end, int base);
unsigned long strtoul(const char *s, char **end, int base);
unsigned long long strtoull(const char *s, char **end, int base);
void qsort(void *base, size_t count, size_t size,
           int (*compare)(const void *, const void *));

#endif
