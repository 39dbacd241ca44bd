/*
 * Operations on what is mounted at "/", each decoded from four bytes: for
 * fuzzers. Every byte means something.
 */
#ifndef TORC_TESTS_FAKES_FILE_OPS_H
#define TORC_TESTS_FAKES_FILE_OPS_H

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

/* List and read what is below "/", within bounds; returns the first error. */
int file_ops_walk(void);

#endif
