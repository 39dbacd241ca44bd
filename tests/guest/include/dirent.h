/* The host's: tests/guest/host.c. */
#ifndef TORC_TESTS_GUEST_DIRENT_H
#define TORC_TESTS_GUEST_DIRENT_H

struct dirent {
    char d_name[256];
};
typedef struct guest_dir DIR;
DIR *opendir(const char *path);
struct dirent *readdir(DIR *dir);
int closedir(DIR *dir);

#endif
