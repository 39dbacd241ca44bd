/* The use of a FAT volume that may say anything. */
#ifndef TORC_TESTS_FAKES_FAT_EXERCISE_H
#define TORC_TESTS_FAKES_FAT_EXERCISE_H

/*
 * Walk, read, write, rename and remove what is at "/", within bounds; aborts
 * when an answer is none that damage explains, when what is listed is not
 * found, or when bytes read twice are not the same. vfs_check() holds in
 * between.
 */
void fat_exercise(void);

#endif
