/*
 * What the commands of torc-img share. Each returns 0, or an error after a line
 * on stderr; each is a thread of CPU 0, and waits.
 */
#ifndef TORC_TOOLS_IMAGE_IMG_H
#define TORC_TOOLS_IMAGE_IMG_H

#include "tools/image/host/config.h"
#include <torc/compiler.h>
#include <torc/file.h>

int img_ls(const struct image_command *command); /* cmd_list.c */
int img_tree(const struct image_command *command);
int img_stat(const struct image_command *command); /* cmd_stat.c */
int img_df(const struct image_command *command);
int img_dump(const struct image_command *command); /* cmd_dump.c */
int img_cat(const struct image_command *command);  /* cmd_data.c */
int img_put(const struct image_command *command);
int img_mkdir(const struct image_command *command);
int img_rm(const struct image_command *command);
int img_map(const struct image_command *command); /* map.c */

/* ---- print.c ------------------------------------------------------------- */

/* Text for the standard output; an error is kept for print_end(). */
void print(const char *format, ...) printf_like(1, 2);

/* Write what is left. Returns 0, or the first error. */
must_check int print_end(void);

/* A path of the command line, which need not begin with a slash. Returns 0,
 * -ENAMETOOLONG. */
must_check int path_of(const char *word, char path[FILE_PATH_MAX]);

/* A letter for a type, as ls has it; and "rwxr-x---" of a mode. */
char type_letter(enum file_type type);
void mode_text(uint32_t mode, char text[10]);

/* ---- Runs ---------------------------------------------------------------- */

/* Whether a run that begins at `block` goes on behind another one: between them
 * is room for the blocks that lead to it at most, one of each level. */
static inline bool is_near(uint64_t behind, uint64_t block)
{
    return behind != 0 && block >= behind && block - behind <= 3;
}

/* ---- tree.c -------------------------------------------------------------- */

enum { TREE_DEPTH = 256 };

/* An entry below a directory. */
struct tree_entry {
    const char *path; /* of it; the name is behind the last slash */
    const char *name;
    unsigned depth; /* 0: in the directory itself */
    bool is_last;   /* of its directory, which costs a look ahead */
    struct file_stat stat;
};

/*
 * Call fn(entry, arg) for all that is below a directory, each directory before
 * what is in it. Returns 0, what fn returns if that is not 0, or an error:
 * -ELOOP deeper than TREE_DEPTH, else as dir_read() and file_stat().
 */
must_check int tree_walk(const char *path,
                         int (*fn)(const struct tree_entry *entry, void *arg),
                         void *arg);

#endif
