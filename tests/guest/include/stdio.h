/* What the tests print, in the guest (tests/guest/stdio.c). */
#ifndef TORC_TESTS_GUEST_STDIO_H
#define TORC_TESTS_GUEST_STDIO_H

#include <stdarg.h>
#include <stddef.h>
#include <sys/types.h>

typedef struct guest_file FILE;
extern FILE *const stdout, *const stderr;
enum { EOF = -1 };

int printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
int fprintf(FILE *file, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
int sprintf(char *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
int snprintf(char *text, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int vsnprintf(char *text, size_t size, const char *format, va_list args);
int vprintf(const char *format, va_list args);
int sscanf(const char *text, const char *format, ...)
    __attribute__((format(scanf, 2, 3)));
int puts(const char *text);
int fputs(const char *text, FILE *file);
int fputc(int c, FILE *file);
int fflush(FILE *file);
size_t fwrite(const void *from, size_t size, size_t count, FILE *file);

/* The host's: tests/guest/host.c. */
FILE *fopen(const char *path, const char *mode);
int fclose(FILE *file);
size_t fread(void *to, size_t size, size_t count, FILE *file);
char *fgets(char *to, int size, FILE *file);
int fgetc(FILE *file);
int fscanf(FILE *file, const char *format, ...);
int fileno(FILE *file);
FILE *popen(const char *command, const char *mode);
int pclose(FILE *file);

#endif
