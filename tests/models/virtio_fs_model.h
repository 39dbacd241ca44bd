/*
 * The device's side of the virtio file system, for tests: VIRTIO 1.2, section
 * 5.11, with a server of the FUSE protocol (7.31) whose files are in memory.
 * Strict: what a client must not do fails the test with a sentence. It forgets
 * a node when it is told so as often as it has told of it, and its node ids
 * need all 64 bits.
 */
#ifndef TORC_TESTS_MODELS_VIRTIO_FS_MODEL_H
#define TORC_TESTS_MODELS_VIRTIO_FS_MODEL_H

#include "tests/models/virtio_model.h"

enum {
    FS_NODES = 512,
    FS_HANDLES = 256,
    FS_MESSAGE_MAX = 600 * 1024,
    FS_FILE_MAX = 32 << 20,
};

struct fs_entry {
    char name[256];
    struct fs_node *node;
    uint64_t cookie; /* grows along the directory */
};

struct fs_xattr {
    struct fs_xattr *next;
    char name[256];
    uint32_t size;
    uint8_t value[];
};

struct fs_node {
    bool is_used;
    uint64_t id;
    uint64_t lookups; /* told of, and not forgotten */
    uint32_t mode;    /* with the type */
    uint32_t links, uid, gid, rdev;
    uint64_t times[3]; /* of access, change of content, change: ns */
    uint8_t *data;     /* of a file, or the target of a link */
    uint64_t size, room;
    struct fs_node *parent; /* of a directory */
    struct fs_entry *entries;
    unsigned entry_count;
    uint64_t cookie_last;
    struct fs_xattr *xattrs;
};

struct fs_handle {
    struct fs_node *node; /* NULL: not open */
    bool is_dir, may_write;
};

/* One message, as the server sees it. */
struct fs_message {
    uint32_t opcode;
    uint64_t unique, node;
    uint32_t uid, gid;
    const uint8_t *body; /* behind the header */
    uint32_t len;        /* of it */
    uint32_t room;       /* for the answer, behind its header */
};

struct fs_model {
    struct virtio_model virtio;
    struct fs_node nodes[FS_NODES];
    struct fs_handle handles[FS_HANDLES];
    uint64_t serial, clock_ns;
    bool has_begun;

    /* What the server says of itself. */
    uint32_t minor, max_write, init_flags, max_pages;
    uint64_t valid_ns;               /* of names and attributes */
    bool is_root_unknown_from_below; /* ".." tells another node of the root */
    uint32_t read_max;               /* READ gives at most so much; 0: all */

    /* Messages: how many there were, and what was asked last. */
    unsigned count;
    unsigned counts[64]; /* by opcode */

    /* Faults. The `fail_at`th message from now on gets `fail_error`. */
    unsigned fail_at;
    int fail_error;
    uint32_t fail_opcode; /* only of these, 0: of any */
    /* Change an answer of *len bytes with its header; *used is what the device
     * says. NULL: they are as they are. */
    void (*spoil)(struct fs_model *model, const struct fs_message *message,
                  uint8_t *answer, uint32_t *len, uint32_t *used);
    bool is_silent; /* no answer */
    /* The first answer to one of these is made, and kept until it is 0. */
    uint32_t late_opcode;
    bool is_late; /* one is kept */
    /* The first of these is kept as it came, and done when it is 0. */
    uint32_t held_opcode;
    bool is_held; /* one is kept */
    /* This answers in place of the server, as `spoil`; nothing is checked. */
    void (*instead)(struct fs_model *model, const struct fs_message *message,
                    uint8_t *answer, uint32_t *len, uint32_t *used);
};

/* A server with an empty root. */
void fs_model_init(struct fs_model *model, const char *tag);
void fs_model_fini(struct fs_model *model);

/* Other files: none. */
void fs_model_clear(struct fs_model *model);

/* Serve one message. Returns false when there is none. */
bool fs_model_step(struct fs_model *model);

/* The client has left: has it forgotten all nodes, and closed all files? */
void fs_model_left(struct fs_model *model);

/* What is at a path, "d/f"; NULL: nothing. For tests, to look and to change. */
struct fs_node *fs_model_at(struct fs_model *model, const char *path);
struct fs_node *fs_model_file(struct fs_model *model, const char *path,
                              const void *data, size_t size);
void fs_model_remove(struct fs_model *model, const char *path);

#endif
