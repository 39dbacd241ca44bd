/*
 * Nodes: the inodes that Linux knows. Each holds its inode. All belongs to the
 * CPU that serves.
 */
#ifndef TORC_TOOLS_FUSE_NODE_H
#define TORC_TOOLS_FUSE_NODE_H

#include "kernel/file/vfs.h"
#include "tools/fuse/host/serve.h"

struct node {
    struct hash_node hash; /* by id */
    uint64_t id;           /* SERVE_ROOT, or the inode's number and one */
    uint64_t lookups;      /* that Linux has not forgotten */
    unsigned pins;         /* calls under way that use it */
    struct inode *inode;   /* held */
    struct readahead readahead;
    uint32_t seen; /* of the errors of writing (vfs_sync()) */
};

/* The mount at "/" is what is served. Thread; returns 0, -ENOMEM, -ENOENT. */
must_check int nodes_init(void);

/* Linux has forgotten all. Thread; may wait. */
void nodes_fini(void);

/* What is served. */
struct mount *nodes_mount(void);

/* Pin a node; NULL: Linux does not have it. node_put() may wait. */
struct node *node_get(uint64_t id);
void node_put(struct node *node);

/*
 * Tell Linux of an inode, which is held: the reference is the node's from then
 * on. Returns 0, -ENOMEM; then it has been put. May wait.
 */
must_check int node_tell(struct inode *inode, struct serve_entry *out);

/* What an inode is. */
void node_attr(const struct inode *inode, struct serve_attr *out);

/* Take the rights from a regular file that it has from its owner: somebody else
 * writes to it. Thread; may wait. Returns as vfs_setattr(). */
must_check int node_drop_rights(struct inode *inode);

/* The type of a file as in st_mode; 0 for FILE_UNKNOWN. And back. */
uint32_t mode_of_type(enum file_type type);
enum file_type type_of_mode(uint32_t mode);

/* Assert what is always true of the table. */
void nodes_check(void);

#endif
