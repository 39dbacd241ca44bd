#include "fs/make/make.h"

/* Let the names of a directory count, and put what is met for the first time
 * behind `last`. */
static struct make_file *names_follow(struct make_file *dir,
                                      struct make_file *last)
{
    for (uint32_t i = 0; i < dir->name_count; i++) {
        struct make_file *file = dir->names[i].file;

        if (file->links++ > 0)
            continue;
        last->next = file;
        last = file;
        if (file->type != FILE_DIRECTORY)
            continue;
        file->parent = dir;
        dir->dirs++;
    }
    return last;
}

int make_tree_order(struct make_file *root, const struct make_file **file)
{
    struct make_file *last = root;

    root->links = 1;
    root->parent = root;
    for (struct make_file *at = root; at != NULL; at = at->next)
        last = names_follow(at, last);
    for (struct make_file *at = root; at != NULL; at = at->next) {
        if (at->type == FILE_DIRECTORY && at->links > 1) {
            *file = at;
            return -EINVAL;
        }
    }
    return 0;
}
