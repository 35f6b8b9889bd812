/* preload_file.h - /etc/ld.so.preload of this system, or of one in a folder: read, and replaced in one step.
   */
#ifndef HAKMEM_TOOLS_PRELOAD_FILE_H
#define HAKMEM_TOOLS_PRELOAD_FILE_H

#include <stdbool.h>
#include <sys/stat.h>
#include "preload_list.h"

struct preload_file {
  const char *root_name;  /* "" or the folder, for messages */
  int root;               /* the folder */
  int etc;                /* its etc; holds the lock */
  bool exists;
  bool is_mount;          /* something is mounted on the file */
  struct stat status;     /* if it exists */
  struct text text;
};

/* All of these say what is wrong before they return false. */

/* Opens the system in the folder root, "/" for this one, and reads its file. Symbolic links are refused. */
bool preload_file_open(struct preload_file *file, const char *root);
/* Reads it again: after preload_file_lock, to see what was written in between. */
bool preload_file_read(struct preload_file *file);
/* Waits for another hakmemctl, some seconds at most. The lock ends with the process or preload_file_close. */
bool preload_file_lock(struct preload_file *file);
/* Whether the file could be replaced, as far as that can be known before. */
bool preload_file_writable(const struct preload_file *file);
/* Replaces the file, or makes it; mode, owner and extended attributes stay. Any error, signal or crash leaves
   the old one as it was. The lock must be held. */
bool preload_file_write(struct preload_file *file, const struct text *text);
/* Removes it. */
bool preload_file_remove(struct preload_file *file);
void preload_file_close(struct preload_file *file);

/* Puts bytes into a new file in folder and renames it to name, all on the disk when it returns true; like is
   a file whose mode, owner and attributes it gets, -1 for none. path is for messages. */
bool preload_file_replace(int folder, const char *name, const char *path, const struct text *text, int like);

#endif
