/*
 * Operations on what is mounted at "/", each decoded from four bytes: for
 * fuzzers. Every byte means something.
 */
#ifndef TORC_TESTS_FAKES_FILE_OPS_H
#define TORC_TESTS_FAKES_FILE_OPS_H

#include <stdbool.h>
#include <stdint.h>

enum { FILE_OP_BYTES = 4 };

/*
 * Do one: what, to which path, another path, how much. What is read is read
 * twice, and must be the same. An answer that neither damage nor a full disk
 * explains ends the program. Files that it leaves open are few, and closed by
 * file_ops_end(). Returns the answer.
 */
int64_t file_op_run(const uint8_t op[FILE_OP_BYTES]);
void file_ops_end(void);

/* Whether memory or the disk may fail: then -ENOMEM and -EIO are answers, too,
 * and what has been written or read may not be read again. */
void file_ops_may_fail(bool may);

/* Forget what nobody uses, and look around from the directory that the
 * operation's first path names, upwards. Returns the answer. */
int file_ops_up(const uint8_t op[FILE_OP_BYTES]);

/* What must hold, or the program ends with a line. */
void file_must(bool holds, const char *what);

/* Read some of a file in one piece and in two, which must be the same. Returns
 * how many bytes, or the error. */
struct file;
int64_t file_read_twice(struct file *file, uint64_t offset);

/* List and read what is below "/", within bounds; returns the first error. */
int file_ops_walk(void);

#endif
