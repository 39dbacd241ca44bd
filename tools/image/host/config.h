/*
 * An image, and what a tool is to do with it. Set before the machine starts,
 * then constant.
 */
#ifndef TORC_TOOLS_IMAGE_HOST_CONFIG_H
#define TORC_TOOLS_IMAGE_HOST_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

struct image_config {
    const char *path;
    bool read_only;
    unsigned partition; /* 1 ..; 0: all of the image */
    uint64_t offset;    /* bytes of the image before the file system */
};

/* torc-img only: a command and its arguments. */
struct image_command {
    struct image_config image;
    const char *name;
    bool is_long;   /* -l */
    bool recursive; /* -r */
    bool html;
    int count;
    char **words;
};

extern struct image_command image_command;

#endif
